/** Tells on standard error how far a run is. */
export type Progress = {
  /** Something begins that counts as one of the steps. */
  step(what: string): void
  /** Clears the line that a terminal shows. */
  end(): void
}

export type ProgressOptions = {
  readonly steps: number
  readonly write: (text: string) => void
  readonly isTerminal: boolean
  readonly nowMs: () => number
}

const CLEAR_LINE = '\r\u001B[K'

export function createProgress({ steps, write, isTerminal, nowMs }: ProgressOptions): Progress {
  const beganAtMs = nowMs()
  let begun = 0
  return {
    step(what) {
      begun += 1
      const text = `[${begun}/${steps}] ${what}${timeLeft()}`
      write(isTerminal ? CLEAR_LINE + text : `${text}\n`)
    },
    end() {
      if (isTerminal) write(CLEAR_LINE)
    },
  }

  /** From how long the steps so far took. */
  function timeLeft(): string {
    const over = begun - 1
    if (over < 3) return ''
    const eachMs = (nowMs() - beganAtMs) / over
    return `, ${formatDuration(((steps - over) * eachMs) / 1000)} left`
  }
}

export function formatDuration(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds))
  if (whole < 60) return `${whole} s`
  return `${Math.floor(whole / 60)} min ${whole % 60} s`
}
