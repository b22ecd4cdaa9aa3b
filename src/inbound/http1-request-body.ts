import type { IncomingMessage } from 'node:http'
import { Readable } from 'node:stream'
import type { RequestBody } from '../http/request-body.ts'
import type { FilterTrailers } from '../http/inbound-request.ts'
import { clientGone } from './client-gone.ts'

/**
 * A separate stream, because the body of a request that ends early is destroyed, and destroying `req`
 * closes the connection on which the response is still to be written. Nothing is read from `req`
 * before the stream is read. Up to `keepBytes` are kept.
 */
export function createHttp1RequestBody(
  req: IncomingMessage,
  keepBytes: number,
  filterTrailers: FilterTrailers,
): RequestBody {
  let kept: Buffer[] | undefined = keepBytes > 0 ? [] : undefined
  let keptBytes = 0
  let isStarted = false

  const keep = (chunk: Buffer): void => {
    keptBytes += chunk.length
    if (keptBytes > keepBytes) kept = undefined
    // A copy, because whoever reads the stream may do with the chunk as they like.
    else kept?.push(Buffer.from(chunk))
  }
  const forward = (chunk: Buffer): void => {
    if (!stream.push(chunk)) req.pause()
  }
  const stream = new Readable({
    read() {
      if (!isStarted) {
        isStarted = true
        if (kept !== undefined) req.on('data', keep)
        req.on('data', forward)
        req.once('end', () => void stream.push(null))
      }
      req.resume()
    },
    destroy(error, callback) {
      // What still comes is kept or thrown away, so that the client gets to read the response.
      req.off('data', forward)
      req.resume()
      callback(error)
    },
  })
  // Whoever sends it listens for themselves; until then, and after, an error is nobody's news.
  stream.on('error', () => {})
  req.once('error', (error) => void stream.destroy(error))
  req.once('close', () => {
    if (!req.complete) stream.destroy(clientGone(req))
  })

  const isComplete = (): boolean => req.readableEnded || kept === undefined
  return {
    stream,
    isKept: () => kept !== undefined,
    isComplete: () => req.complete,
    receivedBytes: () => req.socket.bytesRead,
    isPaused: () => req.isPaused(),
    trailers: () => filterTrailers(req.rawTrailers),
    async whole() {
      while (!isComplete()) await nextSign(req)
      return kept && { content: Buffer.concat(kept), trailers: filterTrailers(req.rawTrailers) }
    },
  }
}

/** Until there is more of the request, or no more. */
async function nextSign(req: IncomingMessage): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  const onSign = (): void => resolve()
  const onClose = (): void => reject(clientGone(req))
  req.once('data', onSign)
  req.once('end', onSign)
  req.once('close', onClose)
  try {
    await promise
  } finally {
    req.off('data', onSign)
    req.off('end', onSign)
    req.off('close', onClose)
  }
}
