import { styleText } from 'node:util'

export type NarratorOptions = {
  readonly write: (text: string) => void
  /** Whether a line can be overwritten. */
  readonly isTerminal: boolean
}

/** Prints the steps, and records which of them failed. */
export type Narrator = {
  headline(text: string): void
  /** One step; output within `act` belongs to it. An error makes it fail. */
  step(title: string, act: () => Promise<void> | void): Promise<void>
  say(text?: string): void
  /** A message on the wire, or part of a page. */
  quote(text: string): void
  check(claim: string, holds: boolean): void
  /** The progress of a long step: in place on a terminal, otherwise a line every few seconds. */
  progress(text: string): void
  readonly failedSteps: () => readonly string[]
  readonly steps: () => number
}

const INDENT = '     '
const PROGRESS_INTERVAL_MS = 4_000
const ERASE_LINE = '\r\u001b[2K'

export function createNarrator({ write, isTerminal }: NarratorOptions): Narrator {
  let steps = 0
  let current = ''
  const failed = new Set<string>()
  let inPlace = false
  let progressAtMs = -Infinity

  const line = (text: string): void => {
    write(`${inPlace ? ERASE_LINE : ''}${text}\n`)
    inPlace = false
  }
  const check = (claim: string, holds: boolean): void => {
    if (!holds) failed.add(current)
    const mark = holds ? styleText('green', '✔') : styleText(['red', 'bold'], '✘ NOT SO:')
    line(`  ${mark}  ${claim}`)
  }

  return {
    headline: (text) => line(`\n${styleText('bold', text)}`),
    async step(title, act) {
      steps += 1
      current = `${steps}. ${title}`
      line(`\n${styleText(['bold', 'cyan'], current)}`)
      progressAtMs = -Infinity
      try {
        await act()
      } catch (cause) {
        // Interrupted, not failed.
        if (cause instanceof Error && cause.name === 'AbortError') throw cause
        check(`The step runs to its end (${reasonOf(cause)})`, false)
      }
    },
    say: (text = '') => line(indented(text)),
    quote: (text) => line(styleText('dim', indented(text))),
    check,
    progress(text) {
      if (isTerminal) {
        write(`${ERASE_LINE}${indented(text)}`)
        inPlace = true
      } else if (performance.now() - progressAtMs >= PROGRESS_INTERVAL_MS) {
        progressAtMs = performance.now()
        line(indented(text))
      }
    },
    failedSteps: () => [...failed],
    steps: () => steps,
  }
}

function indented(text: string): string {
  return text.replaceAll(/^(?=.)/gm, INDENT)
}

function reasonOf(cause: unknown): string {
  if (!(cause instanceof Error)) return String(cause)
  // fetch has the reason only in the cause.
  return cause.cause instanceof Error ? `${cause.message}: ${cause.cause.message}` : cause.message
}
