import { STATUS_CODES } from 'node:http'
import { constants, type ClientHttp2Stream } from 'node:http2'
import type { SidecarError } from '../errors.ts'
import { isField } from '../http/field-lines.ts'
import type { ResponseHead, UpstreamRequest } from '../http/round-trip.ts'
import type { Clock } from '../lib/clock.ts'
import { markShared } from '../lib/detach-after-write.ts'
import { createInterimLimit, TOO_MANY_INTERIM_RESPONSES } from './interim-limit.ts'
import { createPendingResponse, type PendingResponse } from './pending-response.ts'

export type Http2ResponseOptions = {
  readonly maxHeaderBytes: number
  readonly clock: Clock
  /** The response is malformed (RFC 9113 section 8.1.1). */
  readonly onMalformed: (why: string) => void
  /** The rest of the response is not wanted. */
  readonly onCancel: () => void
  /** Called whenever something of the response is received. */
  readonly onActivity: () => void
  /** The response is complete. */
  readonly onComplete: () => void
}

export type Http2Response = Pick<PendingResponse, 'promise' | 'isUntouched'> & {
  /**
   * To be called when the stream is closed. Returns whether the response had been received completely;
   * what is unread of it remains available.
   */
  readonly onStreamClosed: () => boolean
  readonly fail: (failure: SidecarError) => void
}

/** Receives the response on one stream. Its flow-control window reopens as the client reads. */
export function receiveResponse(
  request: UpstreamRequest,
  stream: ClientHttp2Stream,
  options: Http2ResponseOptions,
): Http2Response {
  const { maxHeaderBytes, clock, onMalformed, onCancel, onActivity, onComplete } = options
  const interimLimit = createInterimLimit(maxHeaderBytes)
  let hasHead = false
  /** Whether END_STREAM was received: Node also ends a stream that was reset with NO_ERROR. */
  let hasEnded = false
  let isPaused = true
  let isFlowing = false
  let isOver = false
  let trailers: readonly string[] = []
  /** After the stream is closed: what was received but not read. */
  let unread: Buffer | null | undefined

  const response = createPendingResponse(
    request,
    {
      // Nothing is read before the response has a destination.
      hold() {},
      pause() {
        isPaused = true
        if (isFlowing) stream.pause()
      },
      resume() {
        if (isPaused && hasHead && !isOver) resume()
      },
      close: onCancel,
    },
    clock,
  )

  const push = stream.push.bind(stream)
  stream.push = (chunk: unknown, encoding) => {
    if (chunk === null && !stream.closed) hasEnded = true
    return push(chunk, encoding)
  }

  const resume = (): void => {
    isPaused = false
    if (unread !== undefined) {
      finish()
      return
    }
    if (!isFlowing) {
      // What has been received already is written together with the head.
      const chunk = readAll()
      if (chunk !== null) onData(chunk)
      if (isPaused) return
      if (hasEnded && stream.readableLength === 0) {
        // Node closes the stream at its "end" event.
        stream.resume()
        complete()
        return
      }
      isFlowing = true
      stream.on('data', onData)
      stream.on('end', onEnd)
    } else stream.resume()
  }

  const readAll = (): Buffer | null => {
    const chunks: Buffer[] = []
    while (stream.readableLength > 0) {
      const chunk: unknown = stream.read()
      if (!(chunk instanceof Buffer)) break
      chunks.push(chunk)
    }
    const [first = null] = chunks
    return chunks.length > 1 ? Buffer.concat(chunks) : first
  }

  const onData = (chunk: Buffer): void => {
    onActivity()
    markShared(chunk)
    if (!isOver) response.onData(chunk)
  }

  const onEnd = (): void => {
    if (hasEnded) complete()
  }

  const complete = (): void => {
    if (isOver) return
    isOver = true
    onComplete()
    response.onEnd(trailers)
  }

  /** Forwards what was unread when the stream was closed. */
  const finish = (): void => {
    const chunk = unread
    unread = null
    if (chunk instanceof Buffer) onData(chunk)
    if (!isPaused) complete()
  }

  stream.on('headers', (_fields, _flags, raw) => {
    onActivity()
    if (isOver) return
    const { status, fields, bytes } = readFields(raw)
    if (hasHead) onMalformed('a header section follows the body without ending the stream')
    else if (status === 101) onMalformed('101 is not allowed')
    else if (!interimLimit.allows(bytes)) onMalformed(TOO_MANY_INTERIM_RESPONSES)
    // A client that did not ask for a 100 must be able to ignore it (RFC 9110 section 15.2.1).
    else if (status !== 100) response.onInterim({ status, fields })
  })
  stream.on('response', (_fields, flags, raw) => {
    onActivity()
    if (isOver) return
    const { status, fields, length } = readFields(raw)
    if (hasHead || status < 200 || status > 999) {
      onMalformed('its status code is invalid')
      return
    }
    hasHead = true
    if ((flags & constants.NGHTTP2_FLAG_END_STREAM) !== 0) hasEnded = true
    const phrase = STATUS_CODES[status] ?? ''
    response.onHead({ status, phrase, version: '2.0', fields, length })
  })
  stream.on('trailers', (_fields, _flags, raw) => {
    onActivity()
    trailers = readFields(raw).fields
  })

  return {
    promise: response.promise,
    isUntouched: response.isUntouched,
    onStreamClosed() {
      if (isOver) return true
      if (!hasHead || !hasEnded) return false
      unread ??= readAll()
      if (!isPaused) finish()
      return true
    },
    fail(failure) {
      if (isOver) return
      isOver = true
      response.onFailure(failure)
    },
  }
}

type Section = Pick<ResponseHead, 'status' | 'fields' | 'length'> & { readonly bytes: number }

/** A header or trailer section as node:http2 reports it: names and values, alternating. */
function readFields(raw: readonly string[]): Section {
  let status = 0
  let length = Number.NaN
  let bytes = 0
  const fields: string[] = []
  for (let i = 0; i < raw.length; i += 2) {
    const name = raw[i] ?? ''
    const value = raw[i + 1] ?? ''
    bytes += name.length + value.length
    if (name === ':status') status = Number(value)
    else {
      // nghttp2 has verified it, and verifies that it matches the DATA (RFC 9113 section 8.1.1).
      if (isField(name, 'content-length')) length = Number(value)
      fields.push(name, value)
    }
  }
  return { status, fields, length, bytes }
}
