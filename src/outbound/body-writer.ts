import type { Readable, Writable } from 'node:stream'
import { givingBack } from '../lib/give-back.ts'

/** The body of a request, on its way out. */
export type BodyWriter = {
  /** Whether anything has been written, the head included. */
  readonly hasBegun: () => boolean
  /** Whether all of it has been written. */
  readonly isDone: () => boolean
  /** The connection can take more. */
  readonly resume: () => void
  /** Nobody wants the rest. */
  readonly stop: () => void
  /** Before it has begun: leaves the body whole, for another connection. */
  readonly detach: () => void
}

/**
 * Writes `body` behind the head, for which `socket` is corked until the first of the body has come, and
 * as fast as it takes it. What is written is given back: nobody else may keep it. `onFailure` is told
 * why it ends early.
 */
export function writeBody(
  body: Readable,
  socket: Writable,
  isChunked: boolean,
  onFailure: (error: unknown) => void,
): BodyWriter {
  let isDone = false
  let isCorked = true
  const uncork = (): void => {
    if (isCorked) socket.uncork()
    isCorked = false
  }
  const onData = (chunk: Buffer): void => {
    if (isChunked) writeChunk(socket, chunk)
    else socket.write(chunk, givingBack(chunk))
    uncork()
    if (socket.writableNeedDrain) body.pause()
  }
  const onEnd = (): void => {
    isDone = true
    if (isChunked) socket.write('0\r\n\r\n', 'latin1')
    uncork()
  }
  body.on('data', onData)
  body.on('end', onEnd)
  body.on('error', onFailure)
  // A body that was detached before is paused.
  body.resume()
  return {
    hasBegun: () => !isCorked,
    isDone: () => isDone,
    resume: () => void body.resume(),
    stop() {
      if (isDone) return
      body.off('data', onData)
      body.off('end', onEnd)
      body.destroy()
    },
    detach() {
      body.off('data', onData)
      body.off('end', onEnd)
      body.off('error', onFailure)
      body.pause()
    },
  }
}

/** RFC 9112 section 7.1. One without content would be the last. */
function writeChunk(socket: Writable, chunk: Buffer): void {
  if (chunk.length === 0) return
  socket.cork()
  socket.write(`${chunk.length.toString(16)}\r\n`, 'latin1')
  socket.write(chunk, givingBack(chunk))
  socket.write('\r\n', 'latin1')
  socket.uncork()
}
