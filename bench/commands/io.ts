/** What a command may touch of the world around it. */
export type Io = {
  readonly out: (text: string) => void
  readonly err: (text: string) => void
  readonly isErrTerminal: boolean
  /** Somebody wants it to end. */
  readonly signal: AbortSignal
}

export const EXIT = { ok: 0, failed: 1, usage: 2 } as const
