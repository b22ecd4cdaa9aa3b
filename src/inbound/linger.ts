import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Duplex, Readable } from 'node:stream'

/** How long the other side may take to stop sending, or to send the rest of what it announced. */
const LINGER_MS = 2_000

/** The rest of a request of this size is read to keep the connection; more costs more than a new one. */
const WORTH_READING_BYTES = 64 * 1024

const lingering = new WeakSet<Duplex>()

/** Whether nothing that still comes on this connection is of any interest. */
export function isLingering(socket: Duplex): boolean {
  return lingering.has(socket)
}

/**
 * Ends our side, with `last` as the last that is said, and goes on reading for a while: a connection
 * that is closed while data is on its way is reset, and the reset may overtake the answer that
 * explains it (RFC 9112 section 9.6).
 */
export function closeGently(socket: Duplex, last?: string): void {
  lingering.add(socket)
  // Here: that the client has left.
  socket.on('error', () => {})
  if (!socket.writable) {
    socket.destroy()
    return
  }
  socket.end(last)
  limitLinger(socket)
}

/** Discards what still arrives on a connection whose sending side has ended, and closes it after a while. */
export function limitLinger(socket: Duplex): void {
  socket.resume()
  const timer = setTimeout(() => socket.destroy(), LINGER_MS)
  timer.unref()
  socket.once('close', () => clearTimeout(timer))
}

/**
 * Discards the rest of a request that has had its response over HTTP/2. Calls `stop` if it is long or
 * late: a client that has just sent the end of it should not have its stream reset.
 */
export function discardRest(stream: Readable, stop: () => void): void {
  let discardedBytes = 0
  const end = (): void => {
    clearTimeout(timer)
    stream.off('data', onData)
    if (!stream.readableEnded && !stream.destroyed) stop()
  }
  const onData = (chunk: Buffer): void => {
    discardedBytes += chunk.length
    if (discardedBytes > WORTH_READING_BYTES) end()
  }
  const timer = setTimeout(end, LINGER_MS)
  timer.unref()
  stream.on('data', onData)
  stream.once('end', end)
  stream.once('close', end)
  stream.resume()
}

/**
 * To be called before the head of an answer is written. Where the body of the request has not all
 * come, and what is missing is little, the connection is kept; if it is more, it ends gently after
 * the answer.
 */
export function endEarly(req: IncomingMessage, res: ServerResponse): void {
  const { socket, headers } = req
  if (req.complete) return
  // The parser calls no request complete while it hands it over, not even one without a body.
  const isChunked = headers['transfer-encoding'] !== undefined
  const missing = isChunked ? Infinity : Number(headers['content-length'] ?? 0)
  if (missing === 0) return
  // A client that waits for a 100 may send its body after another answer, or may not.
  const isShort = missing <= WORTH_READING_BYTES && headers.expect === undefined
  if (!isShort) {
    res.shouldKeepAlive = false
    // What node:http calls behind its last answer; the original closes at once.
    socket.destroySoon = () => closeGently(socket)
    return
  }
  res.once('finish', () => {
    if (req.complete) return
    const timer = setTimeout(() => socket.destroy(), LINGER_MS)
    timer.unref()
    const stop = (): void => {
      clearTimeout(timer)
      req.off('end', stop)
      socket.off('close', stop)
    }
    req.once('end', stop)
    socket.once('close', stop)
  })
}
