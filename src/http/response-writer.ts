import type { SidecarError } from '../errors.ts'

/** The client's side of an exchange, whichever protocol carries it. */
export type ResponseWriter = {
  /**
   * Sends an interim response (RFC 9110 section 15.2), unless the client's protocol has none
   * ("dropped"). After "blocked" the client must catch up first; `onDrain` is then called once.
   */
  readonly inform: (
    status: number,
    fields: readonly string[],
    onDrain: () => void,
  ) => 'dropped' | 'sent' | 'blocked'
  /** `fields` alternates names and values, and belongs to the writer from now on. */
  readonly begin: (head: WrittenHead, fields: string[]) => void
  /** Whether the head of the final response was written. */
  readonly hasBegun: () => boolean
  /** Whether a response with this head can have a trailer section. */
  readonly canSendTrailers: (head: WrittenHead, method: string) => boolean
  /** Returns false when the client must catch up first; `onDrain` is then called once. */
  readonly write: (chunk: Buffer, onDrain: () => void) => boolean
  /**
   * Resolves when the operating system has accepted everything; rejects when the client leaves before.
   * Undefined if everything is accepted already, which spares most responses a promise.
   */
  readonly end: (trailers: readonly string[]) => Promise<void> | undefined
  /** Aborts a response that has begun, so that it cannot look complete; `end` rejects with `reason`. */
  readonly reset: (reason: SidecarError) => void
}

export type WrittenHead = {
  readonly status: number
  /** Undefined for the standard phrase of the status. */
  readonly phrase: string | undefined
  /** The announced length, NaN where there is none. */
  readonly length: number
}
