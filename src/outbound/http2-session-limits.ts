/** What a stream may receive ahead of the client. 64 KiB would limit it to 1.3 MB/s over a path of 50 ms. */
const STREAM_WINDOW_BYTES = 1024 * 1024

/** Node reopens this window as data arrives: a stream whose client does not read blocks no other. */
export const CONNECTION_WINDOW_BYTES = 16 * STREAM_WINDOW_BYTES

/** Further requests use another connection, so that lost packets delay fewer of them. */
export const MAX_STREAMS = 256

/** RFC 9113 section 6.5.2: what most servers allow at least; assumed until SETTINGS are received. */
export const ASSUMED_STREAMS = 100

/** As many as the HTTP/1.1 parser accepts lines. */
const MAX_FIELDS = 1_000

const MAX_SESSION_MEGABYTES = 32

/** Frames that violate the protocol but concern a single stream. */
const MAX_INVALID_FRAMES = 100

/** The length of a request's header section is limited where it is received. */
const MAX_SENT_HEADER_BYTES = 2 ** 24

/** Options for a client session of node:http2. */
export function http2ClientOptions(maxHeaderBytes: number) {
  return {
    settings: {
      enablePush: false,
      initialWindowSize: STREAM_WINDOW_BYTES,
      maxHeaderListSize: maxHeaderBytes,
    },
    maxHeaderListPairs: MAX_FIELDS,
    maxSendHeaderBlockLength: MAX_SENT_HEADER_BYTES,
    maxSessionMemory: MAX_SESSION_MEGABYTES,
    maxSessionInvalidFrames: MAX_INVALID_FRAMES,
    peerMaxConcurrentStreams: ASSUMED_STREAMS,
    // Else a request with two lines of one of these fields could not be forwarded.
    strictSingleValueFields: false,
  }
}
