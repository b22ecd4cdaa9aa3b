import {
  createServer,
  type ServerOptions,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from 'node:http2'
import { once } from 'node:events'
import { onTestFinished } from 'vitest'
import type { UpstreamRequest } from '../../src/http/round-trip.ts'
import { openUpstream, type Upstream, type UpstreamOptions } from '../../src/outbound/upstream.ts'
import type { Clock } from '../../src/lib/clock.ts'
import { createFakeClock } from './fake-clock.ts'
import { portOf } from './servers.ts'
import { collectingWriter, upstreamRequest } from './upstream-request.ts'

type StreamHandler = (
  stream: ServerHttp2Stream,
  headers: Readonly<Record<string, unknown>>,
  raw: readonly string[],
) => void

export type Http2Server = {
  readonly origin: string
  readonly sessions: readonly ServerHttp2Session[]
}

/** A cleartext HTTP/2 server of node:http2. */
export async function startHttp2Server(
  handle: StreamHandler,
  options: ServerOptions = {},
): Promise<Http2Server> {
  const server = createServer(options)
  const sessions: ServerHttp2Session[] = []
  server.on('session', (session) => {
    sessions.push(session)
    session.on('error', () => {})
    onTestFinished(() => session.destroy())
  })
  server.on('stream', (stream: ServerHttp2Stream, headers, _flags, raw) => {
    stream.on('error', () => {})
    handle(stream, headers, raw)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => void server.close())
  return { origin: `http://127.0.0.1:${portOf(server)}`, sessions }
}

/** An upstream over HTTP/2 with prior knowledge. */
export function openHttp2Upstream(
  origin: string,
  options: Partial<UpstreamOptions> = {},
  clock: Clock = createFakeClock(),
): Upstream {
  const upstream = openUpstream(
    {
      origin,
      connectTimeoutMs: 10_000,
      maxConnections: 1,
      maxHeaderBytes: 16_384,
      http2: 'always',
      ...options,
    },
    {},
    clock,
  )
  onTestFinished(upstream.close)
  return upstream
}

export type ReceivedResponse = {
  readonly status: number
  readonly fields: readonly string[]
  readonly body: string
  readonly trailers: readonly string[]
}

/** Sends a request and receives the whole response. */
export async function exchangeWith(
  { roundTrip }: Pick<Upstream, 'roundTrip'>,
  request: Partial<UpstreamRequest> = {},
  signal: AbortSignal = new AbortController().signal,
): Promise<ReceivedResponse> {
  const response = await roundTrip(upstreamRequest(request), signal)
  let body = ''
  let trailers: readonly string[] = []
  const writer = collectingWriter((chunk) => void (body += chunk.toString('latin1')), {
    async end(received) {
      trailers = received
    },
  })
  await response.pipeTo(writer)
  return { status: response.status, fields: response.fields, body, trailers }
}
