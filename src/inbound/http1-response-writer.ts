import { type IncomingMessage, type ServerResponse, STATUS_CODES } from 'node:http'
import { TLSSocket } from 'node:tls'
import type { SidecarError } from '../errors.ts'
import type { ResponseWriter, WrittenHead } from '../http/response-writer.ts'
import { fieldPairs, forwardableTrailers } from '../http/trailer-fields.ts'
import { detachAfterWrite } from '../lib/detach-after-write.ts'
import { abortReason } from './abort-reason.ts'
import { prepareEarlyResponse } from './linger.ts'

/** A body up to this size is written with the head as one string, in one system call. */
const SMALL_BYTES = 8 * 1024

/** With more writes than this the client must catch up: each costs memory, however few bytes it has. */
const MAX_PENDING_WRITES = 64

export function createHttp1ResponseWriter(
  req: IncomingMessage,
  res: ServerResponse,
): ResponseWriter {
  let length = Number.NaN
  let small: Buffer | undefined
  let pendingWrites = 0
  let unwritten: { readonly head: WrittenHead; readonly fields: string[] } | undefined
  let rejectEnd: ((reason: SidecarError) => void) | undefined

  const writeHead = (): void => {
    if (unwritten === undefined) return
    const { head, fields } = unwritten
    unwritten = undefined
    prepareEarlyResponse(req, res)
    // Explicit, because node:http reuses the phrase of an earlier call that failed.
    res.writeHead(head.status, head.phrase ?? STATUS_CODES[head.status], fields)
  }
  const flushHead = (): void => {
    if (unwritten === undefined) return
    writeHead()
    // Not flushHeaders(), which encodes octets beyond ASCII in UTF-8. A head without a body waits for its end.
    if (!res.destroyed) res.write('', 'latin1')
  }
  /** A complete response has been written by now, and needs no `Immediate`. */
  const flushHeadLater = (): void => {
    if (unwritten !== undefined) setImmediate(flushHead)
  }
  return {
    inform(status, fields, onDrain) {
      // HTTP/1.0 has no interim responses.
      if (req.httpVersionMinor === 0) return 'dropped'
      if (status === 100) res.writeContinue()
      else res.writeInformation(status, [...fields])
      if (!req.socket.writableNeedDrain) return 'sent'
      req.socket.once('drain', onDrain)
      return 'blocked'
    },
    begin(head, fields) {
      length = head.length
      small = undefined
      // Until it is written, a failure can still be reported. What was received in the same read is
      // written together with it; an HTTP/2 stream delivers that within the event loop turn.
      unwritten = { head, fields }
      process.nextTick(flushHeadLater)
    },
    hasBegun: () => res.headersSent || res.destroyed,
    // RFC 9112 section 7.1.2: only a chunked body has a trailer section.
    canSendTrailers: (head, method) =>
      Number.isNaN(head.length) &&
      method !== 'HEAD' &&
      head.status !== 204 &&
      head.status !== 304 &&
      req.httpVersionMinor > 0,
    write(chunk, onDrain) {
      if (chunk.length === length && length <= SMALL_BYTES) {
        small = chunk
        return true
      }
      writeHead()
      const detach = detachAfterWrite(chunk)
      pendingWrites = res.writableLength === 0 ? 0 : pendingWrites + 1
      if (pendingWrites < MAX_PENDING_WRITES) {
        if (res.write(chunk, detach)) return true
        res.once('drain', onDrain)
      } else {
        pendingWrites = 0
        res.write(chunk, () => {
          detach?.()
          onDrain()
        })
      }
      return false
    },
    end(trailers) {
      writeHead()
      const forwarded = forwardableTrailers(trailers)
      if (forwarded.length > 0) res.addTrailers(fieldPairs(forwarded))
      if (small === undefined) res.end()
      else res.end(small.toString('latin1'), 'latin1')
      // Most responses are sent by now; others wait for the client to read them.
      if (res.writableLength === 0) return undefined
      const flushed = Promise.withResolvers<void>()
      rejectEnd = flushed.reject
      res.once('finish', flushed.resolve)
      res.once('close', () => flushed.reject(abortReason(req)))
      return flushed.promise
    },
    reset(reason) {
      unwritten = undefined
      rejectEnd?.(reason)
      const { socket } = req
      // RFC 9112 section 8: where the connection's end is the body's end, only a TCP reset signals truncation.
      const isCloseDelimited = req.httpVersionMinor === 0 && Number.isNaN(length)
      const isPlainTcp = socket.remoteAddress !== undefined && !(socket instanceof TLSSocket)
      // Without TLS, whose closure alert would be missing.
      if (res.headersSent && isCloseDelimited && isPlainTcp) {
        socket.resetAndDestroy()
      } else res.destroy()
    },
  }
}
