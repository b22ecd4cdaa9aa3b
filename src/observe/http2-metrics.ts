import { http2ErrorName } from '../lib/http2-error-code.ts'

/** HTTP/2 connections on one side of the sidecar. */
export type Http2Metrics = {
  sessionOpened(): void
  sessionClosed(): void
  streamOpened(): void
  streamClosed(): void
  /** A GOAWAY frame, with its error code (RFC 9113 section 7). */
  goaway(direction: Direction, code: number): void
  /** A RST_STREAM frame, with its error code. */
  reset(direction: Direction, code: number): void
  read(): Http2Reading
}

type Direction = 'sent' | 'received'

export type FrameCount = {
  readonly direction: Direction
  readonly reason: string
  readonly count: number
}

export type Http2Reading = {
  readonly sessions: number
  readonly streams: number
  readonly goaways: readonly FrameCount[]
  readonly resets: readonly FrameCount[]
}

/** The name of an error code; "other" for an unregistered one, since the peer chooses it. */
function http2Reason(code: number): string {
  return http2ErrorName(code) ?? 'other'
}

export function createHttp2Metrics(): Http2Metrics {
  let sessions = 0
  let streams = 0
  const goaways = createFrameCounter()
  const resets = createFrameCounter()
  return {
    sessionOpened() {
      sessions += 1
    },
    sessionClosed() {
      sessions -= 1
    },
    streamOpened() {
      streams += 1
    },
    streamClosed() {
      streams -= 1
    },
    goaway: goaways.add,
    reset: resets.add,
    read: () => ({ sessions, streams, goaways: goaways.list(), resets: resets.list() }),
  }
}

/** Every direction and the usual reasons are there from the start, so that rates can be calculated. */
function createFrameCounter() {
  const counts = {
    sent: new Map<string, number>([['NO_ERROR', 0]]),
    received: new Map<string, number>([['NO_ERROR', 0]]),
  }
  return {
    add: (direction: Direction, code: number): void => {
      const reason = http2Reason(code)
      counts[direction].set(reason, (counts[direction].get(reason) ?? 0) + 1)
    },
    list: (): FrameCount[] =>
      (['sent', 'received'] as const).flatMap((direction) =>
        [...counts[direction]].map(([reason, count]) => ({ direction, reason, count })),
      ),
  }
}
