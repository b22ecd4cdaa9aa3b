/** The parts of the process that a command may use. */
export type Io = {
  readonly out: (text: string) => void
  readonly err: (text: string) => void
  readonly env: Readonly<Record<string, string | undefined>>
  /** Whether standard output is a terminal. */
  readonly isTerminal: boolean
  /** The same for standard error. */
  readonly isErrTerminal: boolean
  /** Ends the process without waiting for the command to return. */
  readonly exit: (code: number) => void
}

/** The exit codes; also in docs/command-line.md. */
export const EXIT = { ok: 0, failed: 1, usage: 2, configInvalid: 3 } as const
