import { constants } from 'node:http2'
import { SidecarError } from '../errors.ts'
import { http2ErrorName } from '../lib/http2-error-code.ts'
import { toUpstreamFailure, upstreamFailure, withRetry } from '../http/upstream-failure.ts'

/** The peer violates the protocol, or says that we do. */
const PROTOCOL_CODES: ReadonlySet<number> = new Set([
  constants.NGHTTP2_PROTOCOL_ERROR,
  constants.NGHTTP2_FLOW_CONTROL_ERROR,
  constants.NGHTTP2_SETTINGS_TIMEOUT,
  constants.NGHTTP2_STREAM_CLOSED,
  constants.NGHTTP2_FRAME_SIZE_ERROR,
  constants.NGHTTP2_COMPRESSION_ERROR,
  constants.NGHTTP2_INADEQUATE_SECURITY,
  constants.NGHTTP2_HTTP_1_1_REQUIRED,
])

/** Reasons of a failure that has no error code. */
export const CLOSED = 'the connection was closed'
export const ENDED_EARLY = 'the stream ended before its response was complete (NO_ERROR)'

function errorCodeName(code: number): string {
  return http2ErrorName(code) ?? `error code ${code}`
}

/** A stream that was closed with this code before its response was complete. */
export function streamFailure(origin: string, code: number): SidecarError {
  const name = errorCodeName(code)
  if (code === constants.NGHTTP2_HTTP_1_1_REQUIRED) {
    const why = `it requires HTTP/1.1 for this request (${name}); set "http2" of the route to "never"`
    return upstreamFailure(origin, 'protocol', why)
  }
  if (code === constants.NGHTTP2_REFUSED_STREAM) {
    // RFC 9113 section 8.7: it has not been processed.
    return withRetry(upstreamFailure(origin, 'reset', `the stream was refused (${name})`), 'always')
  }
  const kind = PROTOCOL_CODES.has(code) ? 'protocol' : 'reset'
  return upstreamFailure(origin, kind, `the stream was reset (${name})`)
}

/** What ended a session, as an exchange on it fails. */
export function sessionFailure(origin: string, error: unknown): SidecarError {
  const code = error instanceof Error && 'code' in error ? String(error.code) : ''
  if (!code.startsWith('ERR_HTTP2_') || !(error instanceof Error)) {
    return toUpstreamFailure(origin, error)
  }
  // Either text is of Node or nghttp2, and none of it of the peer.
  const reason = `the HTTP/2 connection failed: ${error.message}`
  const failure = upstreamFailure(origin, 'protocol', reason)
  return new SidecarError(failure.code, failure.message, { cause: error })
}

/** A session that the upstream has closed with this code. */
export function goawayFailure(origin: string, code: number): SidecarError {
  return upstreamFailure(
    origin,
    'reset',
    `it closed the connection (GOAWAY, ${errorCodeName(code)})`,
  )
}

export function malformed(origin: string, why: string): SidecarError {
  return upstreamFailure(origin, 'protocol', `the response is not valid HTTP/2: ${why}`)
}

/** Whether the error of a stream is that of its session: Node destroys the streams of a session with it. */
export function isSessionError(error: unknown): boolean {
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  return error !== undefined && code !== 'ERR_HTTP2_STREAM_ERROR'
}
