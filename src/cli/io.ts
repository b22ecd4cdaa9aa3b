/** What a command may touch of the world around it. */
export type Io = {
  readonly out: (text: string) => void
  readonly err: (text: string) => void
  readonly env: Readonly<Record<string, string | undefined>>
  /** Whether a person reads standard output. */
  readonly isTerminal: boolean
  /** The same for standard error. */
  readonly isErrTerminal: boolean
  /** Ends the process whatever is pending; for what cannot wait for a command to return. */
  readonly exit: (code: number) => void
}

/** The exit codes; also in the README. */
export const EXIT = { ok: 0, failed: 1, usage: 2, configInvalid: 3 } as const
