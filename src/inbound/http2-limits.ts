import type { ServerOptions } from 'node:http2'

/*
 * What one HTTP/2 connection may use, and how fast. A connection that exceeds a limit is closed with
 * GOAWAY, a stream with RST_STREAM; other connections are not affected.
 */

/** An application that shares one connection among many long-lived gRPC streams needs more than 100. */
const MAX_CONCURRENT_STREAMS = 256

/** What a stream may send ahead of the upstream. 64 KiB would limit it to 1.3 MB/s over a path of 50 ms. */
const STREAM_WINDOW_BYTES = 1024 * 1024

/**
 * node:http2 reopens the window of the connection as data arrives, and that of the stream as it is
 * read. So this limits data in flight, and a stalled stream does not affect the others.
 */
export const CONNECTION_WINDOW_BYTES = 16 * STREAM_WINDOW_BYTES

/** As many as the HTTP/1.1 parser accepts lines. Each `cookie` field counts. */
const MAX_FIELDS = 1_000

/** For header sections that arrive, and responses that the client does not read. */
const MAX_SESSION_MEGABYTES = 32

/** Clients cancel calls, even a thousand within a minute; "rapid reset" cancels as many in milliseconds. */
const RESET_BURST = 2_000
const RESETS_PER_SECOND = 100

/** Frames that violate the protocol but only concern one stream. */
const MAX_INVALID_FRAMES = 1_000

/** Streams beyond the maximum, one after the other. */
const MAX_REJECTED_STREAMS = 100

export function http2Options(maxHeaderBytes: number): ServerOptions {
  return {
    settings: {
      maxConcurrentStreams: MAX_CONCURRENT_STREAMS,
      initialWindowSize: STREAM_WINDOW_BYTES,
      // Beyond this a stream is reset; up to it, what exceeds `maxHeaderBytes` gets a 431 that says why.
      maxHeaderListSize: 4 * maxHeaderBytes,
    },
    maxHeaderListPairs: MAX_FIELDS,
    maxSessionMemory: MAX_SESSION_MEGABYTES,
    maxSessionInvalidFrames: MAX_INVALID_FRAMES,
    maxSessionRejectedStreams: MAX_REJECTED_STREAMS,
    streamResetBurst: RESET_BURST,
    streamResetRate: RESETS_PER_SECOND,
    // Else a response with two lines of one of these fields could not be forwarded.
    strictSingleValueFields: false,
  }
}
