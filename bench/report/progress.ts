/** Reports the progress of a run on standard error. */
export type Progress = {
  /** Reports the start of a step. */
  step(what: string): void
  /** Clears the progress line on a terminal. */
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
  const startedAtMs = nowMs()
  let started = 0
  return {
    step(what) {
      started += 1
      const text = `[${started}/${steps}] ${what}${timeLeft()}`
      write(isTerminal ? CLEAR_LINE + text : `${text}\n`)
    },
    end() {
      if (isTerminal) write(CLEAR_LINE)
    },
  }

  /** Estimated from the average duration of the completed steps. */
  function timeLeft(): string {
    const completed = started - 1
    if (completed < 3) return ''
    const eachMs = (nowMs() - startedAtMs) / completed
    return `, ${formatDuration(((steps - completed) * eachMs) / 1000)} left`
  }
}

export function formatDuration(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds))
  if (whole < 60) return `${whole} s`
  return `${Math.floor(whole / 60)} min ${whole % 60} s`
}
