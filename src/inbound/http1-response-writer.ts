import type { IncomingMessage, ServerResponse } from 'node:http'
import { givingBack } from '../lib/give-back.ts'
import type { ResponseHead } from '../outbound/response-head.ts'
import { endEarly } from './linger.ts'

/** Passes an answer on to the client. */
export type AnswerWriter = {
  /** An interim response (RFC 9110 section 15.2). Returns whether it went out. */
  inform(status: number, headers: string[]): boolean
  begin(head: ResponseHead, headers: string[]): void
  /** Returns false when the client reads slower than this; then `onDrain` is called once. */
  write(chunk: Buffer, onDrain: () => void): boolean
  /** `onFlushed` is called when all of it is in the system's hands. */
  end(trailers: [string, string][], onFlushed: () => void): void
  /** Breaks off what has begun, so that it cannot look whole. */
  cut(): void
}

/** A whole body up to this size is written together with the head, as one string: one system call. */
const SMALL_BYTES = 8 * 1024

export function createAnswerWriter(req: IncomingMessage, res: ServerResponse): AnswerWriter {
  let length = Number.NaN
  let small: Buffer | undefined
  return {
    inform(status, headers) {
      // Not to a client that does not know of them.
      if (req.httpVersionMinor === 0) return false
      res.writeInformation(status, headers)
      return true
    },
    begin(head, headers) {
      length = head.length
      endEarly(req, res)
      res.writeHead(head.status, head.phrase, headers)
      // A body that came in the same read leaves in the same write; a head alone leaves at once.
      process.nextTick(flushHead, res)
    },
    write(chunk, onDrain) {
      if (chunk.length === length && length <= SMALL_BYTES) {
        small = chunk
        return true
      }
      if (res.write(chunk, givingBack(chunk))) return true
      res.once('drain', onDrain)
      return false
    },
    end(trailers, onFlushed) {
      if (trailers.length > 0) res.addTrailers(trailers)
      if (small === undefined) res.end()
      else res.end(small.toString('latin1'), 'latin1')
      // Most answers are out by now; others wait for the client to read them.
      if (res.writableLength === 0) onFlushed()
      else res.once('finish', onFlushed)
    },
    cut() {
      if (!res.headersSent) return
      const { socket } = req
      // RFC 9112 section 8: where the end of the connection is the end of the body, only a reset can tell.
      const isCloseDelimited = req.httpVersionMinor === 0 && Number.isNaN(length)
      if (isCloseDelimited && socket.remoteAddress !== undefined) socket.resetAndDestroy()
      else res.destroy()
    },
  }
}

function flushHead(res: ServerResponse): void {
  // After its end that would be a write of nothing, which costs as much as any other.
  if (!res.writableEnded) res.flushHeaders()
}
