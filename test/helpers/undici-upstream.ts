import type { Readable } from 'node:stream'
import { type Dispatcher, Pool } from 'undici'
import { SidecarError } from '../../src/errors.ts'
import { fieldValues } from '../../src/http/field-lines.ts'
import { isStreamed } from '../../src/http/request-body.ts'
import type { ResponseWriter } from '../../src/http/response-writer.ts'
import type { RoundTrip, UpstreamRequest, UpstreamResponse } from '../../src/http/round-trip.ts'
import { toUpstreamFailure, upstreamFailure } from '../../src/http/upstream-failure.ts'
import type { Clock } from '../../src/lib/clock.ts'
import type { TlsMaterial } from '../../src/lib/tls-material.ts'
import type { OpenUpstream } from '../../src/outbound/upstream.ts'
import type { AbortSignalLike } from '../../src/lib/abort-controller.ts'

const MAX_DRAIN_BYTES = 64 * 1024
const MAX_DRAIN_MS = 2_000
const MAX_INTERIM_RESPONSES = 64

/**
 * The same interface as the client in `src/outbound/`, over undici. It is not shipped:
 * `docs/decisions/0013` compares the two.
 */
export const openUndiciUpstream: OpenUpstream = (options, firstTls, clock) => {
  const { origin, connectTimeoutMs, maxConnections, maxHeaderBytes, proxy } = options
  if (proxy !== undefined) throw new Error('undici is not compared behind an egress proxy')
  const poolFor = (tls: TlsMaterial): Pool =>
    new Pool(origin, {
      connections: maxConnections,
      pipelining: 1,
      allowH2: false,
      maxHeaderSize: maxHeaderBytes,
      // The wrappers of a route set these limits.
      headersTimeout: 0,
      bodyTimeout: 0,
      clientTtl: 300_000,
      connect: { ...tls, timeout: connectTimeoutMs, autoSelectFamily: true },
    })
  let pool = poolFor(firstTls)
  const retired: Promise<void>[] = []
  const retire = (): void => void retired.push(pool.close())
  return {
    origin,
    host: new URL(origin).host,
    roundTrip: async (request, signal) => await sendOver(pool, origin, request, signal, clock),
    speaksHttp2: async () => await Promise.resolve(false),
    load: () => {
      const { connected, running, queued } = pool.stats
      return { connected, running, queued }
    },
    renew(tls) {
      retire()
      pool = poolFor(tls)
    },
    retire,
    close: () => void pool.destroy(),
  }
}

function sendOver(
  pool: Pool,
  origin: string,
  request: UpstreamRequest,
  signal: AbortSignalLike,
  clock: Clock,
): ReturnType<RoundTrip> {
  const head = Promise.withResolvers<UpstreamResponse>()
  let body: PromiseWithResolvers<void> | undefined
  let writer: ResponseWriter | undefined
  let controller: Dispatcher.DispatchController | undefined
  let failure: SidecarError | undefined
  let isUntouched = true
  let trailers: readonly string[] | undefined
  let interimCount = 0
  let drainedBytes = 0
  let cancelDrain: (() => void) | undefined

  const resume = (): void => controller?.resume()
  const abort = (reason: unknown): void => {
    controller?.abort(reason instanceof Error ? reason : new Error('aborted', { cause: reason }))
  }
  const onAbort = (): void => {
    abort(signal.reason)
    // A queued request has no controller yet.
    fail(signal.reason)
  }
  const settle = (): void => {
    signal.removeEventListener('abort', onAbort)
    cancelDrain?.()
  }
  const fail = (thrown: unknown): void => {
    if (failure !== undefined) return
    settle()
    const { code, message, cause, retry } = toUpstreamFailure(origin, thrown)
    // undici does not report whether the connection had been used before.
    const isStale = retry === undefined && code === 'upstream_reset' && isUntouched
    failure = new SidecarError(code, message, {
      cause,
      ...(isStale ? { retry: 'if idempotent' } : retry !== undefined && { retry }),
    })
    head.reject(failure)
    body?.reject(failure)
  }
  const responseOf = (
    status: number,
    phrase: string,
    raw: Dispatcher.DispatchController['rawHeaders'],
    tunnel?: UpstreamResponse['tunnel'],
  ): UpstreamResponse => {
    const fields = pairsOf(raw)
    const [length = NaN] = fieldValues(fields, 'content-length')
    return {
      status,
      phrase,
      // undici does not report the version.
      version: '1.1',
      fields,
      length: Number(length),
      pipeTo(to) {
        if (failure !== undefined) return Promise.reject(failure)
        writer = to
        body = Promise.withResolvers()
        // The response to HEAD ends although it is paused.
        if (trailers === undefined) resume()
        else body.resolve(to.end(trailers))
        return body.promise
      },
      discard() {
        if (trailers !== undefined) return
        cancelDrain = clock.schedule(MAX_DRAIN_MS, () => abort(new Error('drained long enough')))
        resume()
      },
      tunnel,
    }
  }

  signal.addEventListener('abort', onAbort)
  if (signal.aborted) {
    onAbort()
    return head.promise
  }
  pool.dispatch(
    {
      path: request.path,
      method: request.method,
      headers: [...request.fields],
      body: bodyOf(request),
      upgrade: request.upgrade ?? null,
      reset: request.dedicated,
    },
    {
      onRequestStart(started) {
        controller = started
        if (signal.aborted) abort(signal.reason)
        else request.onSend()
      },
      onResponseStart(started, status, _headers, phrase = '') {
        if (status < 200) {
          interimCount += 1
          if (interimCount > MAX_INTERIM_RESPONSES) {
            throw upstreamFailure(origin, 'protocol', 'it sent too many interim responses')
          }
          const outcome = request.onInterim(status, pairsOf(started.rawHeaders), resume)
          if (outcome !== 'dropped') isUntouched = false
          if (outcome === 'blocked') started.pause()
          return
        }
        isUntouched = false
        // Reading continues when the response has a destination.
        started.pause()
        head.resolve(responseOf(status, phrase, started.rawHeaders))
      },
      onRequestUpgrade(started, status, _headers, socket) {
        settle()
        socket.pause()
        // Until the tunnel has a listener, because an unhandled error event would end the process.
        socket.on('error', () => {})
        head.resolve(responseOf(status, '', started.rawHeaders, socket))
      },
      onResponseData(started, chunk) {
        if (writer !== undefined) {
          if (!writer.write(chunk, resume)) started.pause()
        } else if ((drainedBytes += chunk.length) > MAX_DRAIN_BYTES) {
          abort(new Error('too much to drain'))
        }
      },
      onResponseEnd({ rawTrailers }) {
        settle()
        trailers = pairsOf(rawTrailers)
        if (writer !== undefined) body?.resolve(writer.end(trailers))
      },
      onResponseError: (_controller, error) => fail(error),
    },
  )
  return head.promise
}

function bodyOf({ body }: UpstreamRequest): Readable | Buffer | null {
  // undici cannot send trailer fields.
  if (isStreamed(body)) return body.stream
  return body?.content ?? null
}

/** Names and values alternate; each octet is a character (Latin-1). */
function pairsOf(raw: Dispatcher.DispatchController['rawHeaders']): string[] {
  return Array.isArray(raw) ? raw.map((part) => part.toString('latin1')) : []
}
