import type { Readable } from 'node:stream'

/** The body of one request, which may have to be sent twice. */
export type RequestBody = {
  /** The body as it arrives, for the first attempt. */
  readonly stream: Readable
  /** Whether everything received so far was kept. */
  readonly isKept: () => boolean
  /** Resolves with the complete body when it has arrived; with undefined if it is too large to keep. */
  readonly whole: () => Promise<CompleteBody | undefined>
  /** Once `stream` has ended: the trailer fields that may be forwarded, names and values alternating. */
  readonly trailers: () => readonly string[]
  /** Whether all of it has arrived. */
  readonly isComplete: () => boolean
  /** Grows with each octet that arrives. */
  readonly receivedBytes: () => number
  /** Whether the client must wait until more can be sent on. */
  readonly isPaused: () => boolean
}

/** A body that has arrived and was kept. */
export type CompleteBody = {
  readonly content: Buffer
  /** Names and values, alternating. */
  readonly trailers: readonly string[]
}

export function isStreamed(body: RequestBody | CompleteBody | null): body is RequestBody {
  return body !== null && 'stream' in body
}

/** Whether the body is a stream that is still arriving. */
export function isArriving(body: RequestBody | CompleteBody | null): body is RequestBody {
  return isStreamed(body) && !body.isComplete()
}
