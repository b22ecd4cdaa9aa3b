import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Duplex, Readable } from 'node:stream'

/** How long the client may take to stop sending, or to send the rest of its request body. */
export const LINGER_MS = 2_000

/** A remainder of a request up to this size is read to keep the connection; a new one is cheaper than more. */
const MAX_DRAIN_BYTES = 64 * 1024

const lingering = new WeakSet<Duplex>()

/** Whether the connection is being closed, and what it still receives is discarded. */
export function isLingering(socket: Duplex): boolean {
  return lingering.has(socket)
}

/**
 * Ends the sending side, after writing `last`, and discards input for a while: a connection that is
 * closed while data is on its way is reset, and the client may lose the response (RFC 9112 section 9.6).
 */
export function closeGently(socket: Duplex, last?: string): void {
  lingering.add(socket)
  // The client may have disconnected.
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
    if (discardedBytes > MAX_DRAIN_BYTES) end()
  }
  const timer = setTimeout(end, LINGER_MS)
  timer.unref()
  stream.on('data', onData)
  stream.once('end', end)
  stream.once('close', end)
  stream.resume()
}

/**
 * To be called before a response head is written. If the request body has not arrived completely, the
 * connection persists if the remainder is small, and is otherwise closed gracefully after the response.
 */
export function prepareEarlyResponse(req: IncomingMessage, res: ServerResponse): void {
  const { socket, headers } = req
  if (req.complete) return
  // While a request is being emitted, it is not complete yet, even without a body.
  const isChunked = headers['transfer-encoding'] !== undefined
  const remainingBytes = isChunked ? Infinity : Number(headers['content-length'] ?? 0)
  if (remainingBytes === 0) return
  // A client that waits for 100 (Continue) may or may not send its body after a final response.
  const isShort = remainingBytes <= MAX_DRAIN_BYTES && headers.expect === undefined
  if (!isShort) {
    res.shouldKeepAlive = false
    // node:http calls this after the last response; the original closes at once.
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
