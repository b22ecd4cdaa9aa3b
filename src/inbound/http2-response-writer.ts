import { constants, type OutgoingHttpHeaders, type ServerHttp2Stream } from 'node:http2'
import { SidecarError } from '../errors.ts'
import { fieldValues } from '../http/field-lines.ts'
import type { RequestHead } from '../http/request-head.ts'
import type { ResponseWriter, WrittenHead } from '../http/response-writer.ts'
import { forwardableTrailers } from '../http/trailer-fields.ts'
import { detachAfterWrite } from '../lib/detach-after-write.ts'
import { streamClosed } from './http2-request.ts'
import { discardRest } from './linger.ts'

/** With more writes than this the client must catch up: each costs memory, however few bytes it has. */
const MAX_PENDING_WRITES = 64

/** `onReset` is called with the error code of a RST_STREAM frame before it is sent. */
export function createHttp2ResponseWriter(
  stream: ServerHttp2Stream,
  request: Pick<RequestHead, 'method' | 'hasBody'>,
  onReset: (code: number) => void = () => {},
): ResponseWriter {
  let unwritten: { readonly head: WrittenHead; readonly fields: string[] } | undefined
  /** A body that has arrived in one chunk; it waits for the end, to be sent with END_STREAM. */
  let whole: Buffer | undefined
  let isBodyless = false
  let trailers: readonly string[] = []
  let pendingWrites = 0
  let rejectEnd: ((reason: SidecarError) => void) | undefined

  const isClosed = (): boolean => stream.destroyed || stream.closed
  const writeHead = (endStream: boolean, waitForTrailers: boolean): void => {
    if (unwritten === undefined) return
    const { head, fields } = unwritten
    unwritten = undefined
    if (isClosed()) return
    if (waitForTrailers) {
      // Without fields, node:http2 sends an empty DATA frame instead of a trailer section.
      stream.once('wantTrailers', () => stream.sendTrailers(fieldMap(trailers)))
    }
    fields.unshift(':status', String(head.status))
    stream.respond(fields, { endStream, waitForTrailers })
  }
  const mayHaveTrailers = (): boolean => {
    if (unwritten === undefined || isBodyless) return false
    const { head, fields } = unwritten
    return Number.isNaN(head.length) || fieldValues(fields, 'trailer').length > 0
  }
  const flushHead = (): void => {
    if (whole === undefined) writeHead(isBodyless, mayHaveTrailers())
  }
  /** The memory of `chunk` may still be written from when the stream is destroyed. */
  const onWritten = (chunk: Buffer): (() => void) | undefined => {
    const detach = detachAfterWrite(chunk)
    return detach && (() => (stream.destroyed ? undefined : detach()))
  }
  return {
    inform(status, fields) {
      if (isClosed() || stream.headersSent) return 'dropped'
      stream.additionalHeaders({ ':status': status, ...fieldMap(fields) })
      return 'sent'
    },
    begin(head, fields) {
      if (head.status < 200 || head.status > 599) {
        throw new SidecarError(
          'upstream_protocol',
          `Cannot forward the response: HTTP/2 has no status ${head.status}`,
        )
      }
      whole = undefined
      isBodyless = hasNoBody(head, request.method)
      // Until it is written, a failure can still be reported. It waits for what was received in the
      // same read, because an empty response ends with its HEADERS frame.
      unwritten = { head, fields }
      setImmediate(flushHead)
    },
    hasBegun: () => stream.headersSent || isClosed(),
    canSendTrailers: (head, method) => !hasNoBody(head, method),
    write(chunk, onDrain) {
      if (isBodyless || isClosed()) return true
      if (unwritten !== undefined && chunk.length === unwritten.head.length) {
        whole = chunk
        return true
      }
      writeHead(false, mayHaveTrailers())
      const written = onWritten(chunk)
      pendingWrites = stream.writableLength === 0 ? 0 : pendingWrites + 1
      if (pendingWrites < MAX_PENDING_WRITES) {
        if (stream.write(chunk, written)) return true
        stream.once('drain', onDrain)
      } else {
        pendingWrites = 0
        stream.write(chunk, () => {
          written?.()
          onDrain()
        })
      }
      return false
    },
    async end(received) {
      if (!isBodyless) trailers = forwardableTrailers(received)
      const hasTrailers = trailers.length > 0
      writeHead(!hasTrailers && whole === undefined, hasTrailers)
      if (isClosed()) throw streamClosed(stream)
      if (whole === undefined) stream.end()
      else stream.end(whole, onWritten(whole))
      const flushed = finished()
      if (request.hasBody && !stream.readableEnded) {
        // Even if the stream is closed meanwhile: Node keeps it as long as something of it is unread.
        discardRest(stream, () => void flushed.then(stopUpload, () => {}))
      }
      await flushed
    },
    reset(reason) {
      unwritten = undefined
      rejectEnd?.(reason)
      if (!isClosed()) onReset(constants.NGHTTP2_INTERNAL_ERROR)
      // Not close(), which ends the stream before it resets it, so that the response looks complete.
      stream.destroy(reason)
    },
  }

  /** RFC 9113 section 8.1: the client need not send the rest of its request. */
  function stopUpload(): void {
    if (isClosed()) return
    onReset(constants.NGHTTP2_NO_ERROR)
    stream.close(constants.NGHTTP2_NO_ERROR)
  }

  /** Resolves when the connection has accepted everything; rejects if the stream closes before. */
  async function finished(): Promise<void> {
    if (stream.writableFinished) return
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    rejectEnd = reject
    stream.once('finish', resolve)
    stream.once('close', () => {
      if (!stream.writableFinished) reject(streamClosed(stream))
    })
    await promise
  }
}

/** RFC 9110 section 6.4.1; node:http2 ends the stream of such a response. */
function hasNoBody({ status }: Pick<WrittenHead, 'status'>, method: string): boolean {
  return method === 'HEAD' || status === 204 || status === 205 || status === 304
}

/** As an object, which is how `node:http2` takes interim responses and trailer sections. */
function fieldMap(fields: readonly string[]): OutgoingHttpHeaders {
  const map = new Map<string, string[]>()
  for (let i = 0; i < fields.length; i += 2) {
    const name = (fields[i] ?? '').toLowerCase()
    const values = map.get(name)
    if (values === undefined) map.set(name, [fields[i + 1] ?? ''])
    else values.push(fields[i + 1] ?? '')
  }
  return Object.fromEntries(map)
}
