/** Counts what happens on HTTP/2 connections; error codes are those of RFC 9113 section 7. */
export type Http2Observer = {
  sessionOpened(): void
  sessionClosed(): void
  streamOpened(): void
  streamClosed(): void
  goaway(direction: 'sent' | 'received', code: number): void
  reset(direction: 'sent' | 'received', code: number): void
}

export const UNOBSERVED: Http2Observer = {
  sessionOpened() {},
  sessionClosed() {},
  streamOpened() {},
  streamClosed() {},
  goaway() {},
  reset() {},
}
