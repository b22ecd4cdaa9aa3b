/** The output streams and the interruption signal of a command. */
export type Io = {
  readonly out: (text: string) => void
  readonly err: (text: string) => void
  readonly isErrTerminal: boolean
  /** Aborted when the user interrupts the benchmark. */
  readonly signal: AbortSignal
}

export const EXIT = { ok: 0, failed: 1, usage: 2 } as const
