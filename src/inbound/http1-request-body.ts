import type { IncomingMessage } from 'node:http'
import { Readable } from 'node:stream'
import { clientGone } from './client-gone.ts'

/** The body of one request, which may have to be sent twice. */
export type RequestBody = {
  /** As it comes, for the first attempt. */
  readonly stream: Readable
  /** Whether all of it is kept, as far as it has come. */
  readonly isKept: () => boolean
  /** All of it, once it has come; undefined if it turns out to be too large to keep. */
  readonly whole: () => Promise<Buffer | undefined>
}

/**
 * A stream of its own, because the body of a request that ends early is destroyed, and to destroy `req`
 * is to cut the connection on which the response is still to be written. Nothing is taken from `req`
 * before it is asked for. Up to `keepBytes` are kept as they pass.
 */
export function createRequestBody(req: IncomingMessage, keepBytes: number): RequestBody {
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
    async whole() {
      while (!isComplete()) await nextSign(req)
      return kept && Buffer.concat(kept)
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
