import { METHODS } from 'node:http'
import { constants, type ServerHttp2Stream } from 'node:http2'
import { clientClosed, SidecarError } from '../errors.ts'
import type { InboundRequest } from '../http/inbound-request.ts'
import { readRequestHead, type RequestHead } from '../http/request-head.ts'
import { markShared } from '../lib/detach-after-write.ts'
import { type BodySource, readBody } from './body-reader.ts'
import { createAbortController } from '../lib/abort-controller.ts'

/** Presents a request of `node:http2` to the exchange. */
export function createHttp2Request(
  stream: ServerHttp2Stream,
  head: RequestHead,
  connection: InboundRequest['connection'],
  mode: InboundRequest['mode'],
): InboundRequest {
  const exchange = createAbortController()
  const onReset = (): void => exchange.abort(streamClosed(stream))
  stream.once('aborted', onReset)
  stream.once('close', () => {
    // node:http2 ends the response to HEAD before it has a head.
    if (!stream.headersSent || !stream.writableFinished) onReset()
  })
  return {
    head,
    mode,
    connection,
    openBody: (keepBytes, filterTrailers) => readBody(bodyOf(stream), keepBytes, filterTrailers),
    signal: exchange.signal,
    abort: (reason) => exchange.abort(reason),
    // RFC 9113 section 8.6: HTTP/2 has no 101 (Switching Protocols).
    switchProtocols: undefined,
  }
}

/** Why a stream closed before its response was complete. */
export function streamClosed({ rstCode }: ServerHttp2Stream): SidecarError {
  return rstCode === constants.NGHTTP2_PROTOCOL_ERROR
    ? malformed('its content or trailer section violates HTTP/2')
    : clientClosed()
}

function bodyOf(stream: ServerHttp2Stream): BodySource {
  let receivedBytes = 0
  let trailers: readonly string[] = []
  // First, or the listener would start the flow before the body is read.
  stream.pause()
  stream.on('data', (chunk: Buffer) => {
    receivedBytes += chunk.length
    markShared(chunk)
  })
  stream.once('trailers', (_fields, _flags, raw) => {
    trailers = raw
  })
  return {
    stream,
    // A stream that is reset ends as well.
    isComplete: () => stream.readableEnded && !stream.aborted,
    receivedBytes: () => receivedBytes,
    trailers: () => trailers,
    closeReason: () => streamClosed(stream),
  }
}

/** RFC 9113 section 8.3.1: the fields of a request line. */
type PseudoHeaderFields = {
  method: string
  scheme: string
  authority: string | undefined
  path: string
}

/**
 * The head of a request, with `Host` in place of `:authority` and one `Cookie` line, as HTTP/1.1 has
 * them. nghttp2 has verified what RFC 9113 section 8.2 and 8.3 demand of single fields; the rest is
 * verified here. Fails with `request_invalid`, or `headers_too_large` beyond `maxHeaderBytes`.
 */
export function readHttp2Head(
  { endAfterHeaders }: Pick<ServerHttp2Stream, 'endAfterHeaders'>,
  received: readonly string[],
  maxHeaderBytes: number,
): RequestHead {
  const line: PseudoHeaderFields = { method: '', scheme: '', authority: undefined, path: '' }
  const fields: string[] = []
  let host: string | undefined
  let cookieAt = -1
  let bytes = 0
  for (let i = 0; i < received.length; i += 2) {
    const name = received[i] ?? ''
    const value = received[i + 1] ?? ''
    bytes += name.length + value.length + FIELD_OVERHEAD_BYTES
    if (name.startsWith(':')) readPseudoHeaderField(line, name, value)
    else if (name === 'host') {
      if (host !== undefined) throw malformed('expected one Host header')
      host = value
    } else if (name === 'cookie' && cookieAt !== -1) {
      // RFC 9113 section 8.2.3.
      fields[cookieAt] += `; ${value}`
    } else {
      fields.push(name, value)
      if (name === 'cookie') cookieAt = fields.length - 1
    }
  }
  if (bytes > maxHeaderBytes) {
    throw new SidecarError(
      'headers_too_large',
      `Cannot read the request: its headers exceed ${maxHeaderBytes} bytes`,
    )
  }
  const { method, authority, path } = line
  if (!FORWARDED_METHODS.has(method)) {
    throw new SidecarError(
      'method_not_supported',
      'Cannot read the request: its method is not known here',
    )
  }
  // RFC 9113 section 8.3.1: an intermediary must not let the two disagree.
  if (authority !== undefined && host !== undefined && !isSame(authority, host)) {
    throw malformed('its ":authority" and its Host header differ')
  }
  const target = method === 'CONNECT' ? (authority ?? '') : checkedPath(line, path)
  const name = authority ?? host
  if (name !== undefined) fields.unshift('host', name)
  const head = readRequestHead({ method, target, version: '2.0' }, fields)
  return { ...head, hasBody: !endAfterHeaders }
}

/** Those that the HTTP/1.1 parser accepts: what a request may do does not depend on its protocol. */
const FORWARDED_METHODS: ReadonlySet<string> = new Set(METHODS)

/** What HTTP/1.1 sends with each field: a colon, a space and the end of the line. */
const FIELD_OVERHEAD_BYTES = 4

function readPseudoHeaderField(line: PseudoHeaderFields, name: string, value: string): void {
  if (name === ':method') line.method = value
  else if (name === ':scheme') line.scheme = value
  else if (name === ':authority') line.authority = value
  else if (name === ':path') line.path = value
}

/** Targets in absolute form do not exist in HTTP/2, and routing must not take a path for one. */
function checkedPath({ scheme }: PseudoHeaderFields, path: string): string {
  if (scheme !== 'http' && scheme !== 'https') throw malformed('its ":scheme" is not supported')
  if (!path.startsWith('/') && path !== '*') throw malformed('its ":path" is not a path')
  // RFC 3986 section 2; nghttp2 accepts octets beyond ASCII.
  if (/[^!-~]/.test(path)) throw malformed('its ":path" has a character that must be escaped')
  return path
}

function isSame(authority: string, host: string): boolean {
  return authority === host || authority.toLowerCase() === host.toLowerCase()
}

function malformed(why: string): SidecarError {
  return new SidecarError('request_invalid', `Cannot forward the request: ${why}`)
}
