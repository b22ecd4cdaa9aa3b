import { Readable } from 'node:stream'
import type { SidecarError } from '../errors.ts'
import type { FilterTrailers } from '../http/inbound-request.ts'
import type { RequestBody } from '../http/request-body.ts'

/** The body of a request as its protocol delivers it. */
export type BodySource = {
  readonly stream: Readable
  readonly isComplete: () => boolean
  readonly receivedBytes: () => number
  /** Once the stream has ended: names and values, alternating. */
  readonly trailers: () => readonly string[]
  /** Why the stream closed before it was complete. */
  readonly closeReason: () => SidecarError
}

/**
 * A separate stream, because the body of a request that ends early is destroyed, and destroying its
 * source ends the response that is still to be written. Nothing is read from the source before the
 * stream is read. Up to `keepBytes` are kept.
 */
export function readBody(
  source: BodySource,
  keepBytes: number,
  filterTrailers: FilterTrailers,
): RequestBody {
  const { stream: from, closeReason } = source
  let kept: Buffer[] | undefined = keepBytes > 0 ? [] : undefined
  let keptBytes = 0
  let isStarted = false

  const keep = (chunk: Buffer): void => {
    keptBytes += chunk.length
    if (keptBytes > keepBytes) kept = undefined
    // A copy, because the reader of the stream may detach the memory of the chunk.
    else kept?.push(Buffer.from(chunk))
  }
  const forward = (chunk: Buffer): void => {
    if (!stream.push(chunk)) from.pause()
  }
  const stream = new Readable({
    read() {
      if (!isStarted) {
        isStarted = true
        if (kept !== undefined) from.on('data', keep)
        from.on('data', forward)
        const onEnd = (): void => {
          if (source.isComplete()) stream.push(null)
        }
        // node:http2 ends a stream without content even while it is paused.
        if (from.readableEnded) onEnd()
        else from.once('end', onEnd)
      }
      from.resume()
    },
    destroy(error, callback) {
      // The rest is kept or discarded, so that the client can read the response.
      from.off('data', forward)
      from.resume()
      callback(error)
    },
  })
  // The sender has its own listener; at other times the error has no effect.
  stream.on('error', () => {})
  from.once('error', () => void stream.destroy(closeReason()))
  from.once('close', () => {
    if (!source.isComplete()) stream.destroy(closeReason())
  })

  const isRead = (): boolean => (from.readableEnded && source.isComplete()) || kept === undefined
  return {
    stream,
    isKept: () => kept !== undefined,
    isComplete: source.isComplete,
    receivedBytes: source.receivedBytes,
    isPaused: () => from.isPaused(),
    trailers: () => filterTrailers(source.trailers()),
    async whole() {
      while (!isRead()) await nextEvent(source)
      return kept && { content: Buffer.concat(kept), trailers: filterTrailers(source.trailers()) }
    },
  }
}

/** Resolves with more of the body or its end; rejects when the stream closes. */
async function nextEvent({ stream, closeReason }: BodySource): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  const onEvent = (): void => resolve()
  const onClose = (): void => reject(closeReason())
  stream.once('data', onEvent)
  stream.once('end', onEvent)
  stream.once('close', onClose)
  try {
    await promise
  } finally {
    stream.off('data', onEvent)
    stream.off('end', onEvent)
    stream.off('close', onClose)
  }
}
