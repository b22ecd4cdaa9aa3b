import type { ClientHttp2Stream, OutgoingHttpHeaders } from 'node:http2'
import { fieldNames, isField } from '../http/field-lines.ts'
import { type CompleteBody, isStreamed, type RequestBody } from '../http/request-body.ts'
import type { UpstreamRequest } from '../http/round-trip.ts'

/** RFC 9113 section 8.2.2: these have no meaning in HTTP/2; `TE` may only say "trailers". */
const CONNECTION_SPECIFIC = fieldNames([
  'connection',
  'http2-settings',
  'keep-alive',
  'proxy-connection',
  'te',
  'transfer-encoding',
  'upgrade',
])

export type Http2Target = {
  readonly scheme: 'http' | 'https'
  /** The value of `:authority` where the request has no `Host`. */
  readonly host: string
}

export type Http2RequestHead = {
  /** Names and values, alternating; node:http2 puts the names in lower case. */
  readonly headers: string[]
  readonly hasLength: boolean
}

/** The header section (RFC 9113 section 8.3.1). `Host` becomes `:authority`. */
export function http2RequestHead(
  { method, path, fields, acceptsTrailers }: UpstreamRequest,
  { scheme, host }: Http2Target,
): Http2RequestHead {
  const headers = [':method', method, ':scheme', scheme, ':authority', host, ':path', path]
  let hasLength = false
  for (let i = 0; i < fields.length; i += 2) {
    const name = fields[i] ?? ''
    const value = fields[i + 1] ?? ''
    if (isField(name, 'host')) headers[AUTHORITY_VALUE] = value
    else if (!CONNECTION_SPECIFIC.has(name)) {
      if (isField(name, 'content-length')) hasLength = true
      headers.push(name, value)
    }
  }
  if (acceptsTrailers) headers.push('te', 'trailers')
  return { headers, hasLength }
}

const AUTHORITY_VALUE = 5

/** Whether a trailer section may follow the body: like in HTTP/1.1, not behind a `Content-Length`. */
export function mayHaveTrailers(body: UpstreamRequest['body'], hasLength: boolean): boolean {
  if (body === null || hasLength) return false
  return isStreamed(body) || body.trailers.length > 0
}

/** A streamed request body while it is being sent. */
export type Http2BodyWriter = {
  /** Whether all of it has been read. */
  readonly isDone: () => boolean
  /** Stops sending, and discards the rest. */
  readonly stop: () => void
  /** Stops sending; a body of which nothing was read remains usable for another attempt. */
  readonly detach: () => void
}

/** Sends a body as fast as flow control permits; `onFailure` is called if it ends early. */
export function sendStreamed(
  { stream: body, trailers }: RequestBody,
  stream: ClientHttp2Stream,
  onFailure: (error: unknown) => void,
): Http2BodyWriter {
  let isDone = false
  const onData = (chunk: Buffer): void => {
    // Its memory is left to the garbage collector: Node calls back before native code is done with it.
    // A stream that the upstream has closed accepts nothing; its "close" event reports why.
    if (stream.writableEnded || !stream.write(chunk)) body.pause()
  }
  const onEnd = (): void => {
    isDone = true
    stream.end()
  }
  const onDrain = (): void => void body.resume()
  const removeListeners = (): void => {
    stream.off('drain', onDrain)
    body.off('data', onData)
    body.off('end', onEnd)
  }
  sendTrailersAfter(stream, trailers)
  stream.on('drain', onDrain)
  body.on('data', onData)
  body.on('end', onEnd)
  body.on('error', onFailure)
  // A body that another attempt has left is paused.
  body.resume()
  return {
    isDone: () => isDone,
    stop() {
      if (isDone) return
      removeListeners()
      body.destroy()
    },
    detach() {
      if (isDone) return
      removeListeners()
      if (body.readableDidRead) body.destroy()
      else {
        body.off('error', onFailure)
        body.pause()
      }
    },
  }
}

export function sendComplete({ content, trailers }: CompleteBody, stream: ClientHttp2Stream): void {
  sendTrailersAfter(stream, () => trailers)
  stream.end(content)
}

/** Node requests trailers only if the stream was opened with `waitForTrailers`. */
function sendTrailersAfter(stream: ClientHttp2Stream, trailers: () => readonly string[]): void {
  stream.on('wantTrailers', () => stream.sendTrailers(fieldsByName(trailers())))
}

/** As an object, which is how `sendTrailers` takes them. */
function fieldsByName(fields: readonly string[]): OutgoingHttpHeaders {
  const byName = new Map<string, string[]>()
  for (let i = 0; i < fields.length; i += 2) {
    const name = (fields[i] ?? '').toLowerCase()
    const value = fields[i + 1] ?? ''
    const values = byName.get(name)
    if (values === undefined) byName.set(name, [value])
    else values.push(value)
  }
  return Object.fromEntries(byName)
}
