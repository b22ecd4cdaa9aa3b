import type { Writable } from 'node:stream'
import type { CompleteBody, RequestBody } from '../http/request-body.ts'
import { detachAfterWrite } from '../lib/detach-after-write.ts'

/** A streamed request body while it is being sent. */
export type BodyWriter = {
  /** Whether anything has been written, including the head. */
  readonly hasBegun: () => boolean
  /** Whether all of it has been written. */
  readonly isDone: () => boolean
  /** Continues after backpressure. */
  readonly resume: () => void
  /** Stops sending, and discards the rest. */
  readonly stop: () => void
  /** Before anything was written: leaves the body untouched for another connection. */
  readonly detach: () => void
}

/**
 * Writes a body behind the head with backpressure. The caller has corked `socket`; it is uncorked with the
 * first chunk. The memory of chunks is released once they are written. `onFailure` is called if the body
 * ends early.
 */
export function writeBody(
  { stream, trailers }: RequestBody,
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
    else socket.write(chunk, detachAfterWrite(chunk))
    uncork()
    if (socket.writableNeedDrain) stream.pause()
  }
  const onEnd = (): void => {
    isDone = true
    if (isChunked) socket.write(lastChunk(trailers()), 'latin1')
    uncork()
  }
  stream.on('data', onData)
  stream.on('end', onEnd)
  stream.on('error', onFailure)
  // A body that another connection has detached is paused.
  stream.resume()
  return {
    hasBegun: () => !isCorked,
    isDone: () => isDone,
    resume: () => void stream.resume(),
    stop() {
      if (isDone) return
      stream.off('data', onData)
      stream.off('end', onEnd)
      stream.destroy()
    },
    detach() {
      stream.off('data', onData)
      stream.off('end', onEnd)
      stream.off('error', onFailure)
      stream.pause()
    },
  }
}

/** Writes a body that has arrived. */
export function writeComplete(
  { content, trailers }: CompleteBody,
  socket: Writable,
  isChunked: boolean,
): void {
  if (!isChunked) socket.write(content)
  else {
    writeChunk(socket, content)
    socket.write(lastChunk(trailers), 'latin1')
  }
}

/** The last chunk and the trailer section (RFC 9112 section 7.1.2). */
function lastChunk(trailers: readonly string[]): string {
  let lines = ''
  for (let i = 0; i < trailers.length; i += 2) lines += `${trailers[i]}: ${trailers[i + 1]}\r\n`
  return `0\r\n${lines}\r\n`
}

/** RFC 9112 section 7.1. An empty chunk would be the last one. */
function writeChunk(socket: Writable, chunk: Buffer): void {
  if (chunk.length === 0) return
  socket.cork()
  socket.write(`${chunk.length.toString(16)}\r\n`, 'latin1')
  socket.write(chunk, detachAfterWrite(chunk))
  socket.write('\r\n', 'latin1')
  socket.uncork()
}
