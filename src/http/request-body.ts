import type { Readable } from 'node:stream'

/** The body of one request, which may have to be sent twice. */
export type RequestBody = {
  /** The body as it arrives, for the first attempt. */
  readonly stream: Readable
  /** Whether everything received so far was kept. */
  readonly isKept: () => boolean
  /** The complete body once it has arrived; undefined if it is too large to keep. */
  readonly whole: () => Promise<Buffer | undefined>
  /** Whether all of it has arrived. */
  readonly isComplete: () => boolean
  /** Grows with each octet that arrives. */
  readonly receivedBytes: () => number
  /** Whether the client must wait until more can be sent on. */
  readonly isPaused: () => boolean
}

/** Whether the body is a stream that is still arriving. */
export function isArriving(body: RequestBody | Buffer | null): body is RequestBody {
  return body !== null && !Buffer.isBuffer(body) && !body.isComplete()
}
