import { once } from 'node:events'
import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http'
import { connect as connectHttp2 } from 'node:http2'
import { connect } from 'node:net'
import { text } from 'node:stream/consumers'
import { status } from '@grpc/grpc-js'
import { expect, onTestFinished, test } from 'vitest'
import { createAuthority } from '../helpers/certificates.ts'
import { runProgram, writeConfig } from '../helpers/cli.ts'
import { endpointConfig, forwardConfig } from '../helpers/config-text.ts'
import { fileWith } from '../helpers/credential-call.ts'
import { createGrpcClient, startGrpcServer } from '../helpers/grpc.ts'
import {
  type OtlpReceiver,
  resourceOf,
  spansInProtobuf,
  startOtlpReceiver,
} from '../helpers/otlp-receiver.ts'
import { isWholeRequest, startRawUpstream } from '../helpers/raw-http.ts'
import { CLIENT_SECRET, startServer } from '../helpers/servers.ts'
import { startProgram, startProgramAt } from '../helpers/sidecar.ts'
import { handshake, startSwitchingServer, SWITCHING } from '../helpers/switching-server.ts'
import { sendToken, startTokenEndpoint } from '../helpers/token-endpoint.ts'
import { until } from '../helpers/wait.ts'

const TRACE_ID = '0af7651916cd43dd8448eb211c80319c'
const PARENT_ID = 'b7ad6b7169203331'
const NOT_PREFETCHED = 'prefetch: false'

type Upstream = {
  readonly origin: string
  /** The header fields of each request, in order of arrival. */
  readonly received: readonly IncomingHttpHeaders[]
}

async function startUpstream(
  respond: (req: IncomingMessage, res: ServerResponse) => void = (_req, res) => void res.end('ok'),
): Promise<Upstream> {
  const received: IncomingHttpHeaders[] = []
  const origin = await startServer((req, res) => {
    received.push(req.headers)
    respond(req, res)
  })
  return { origin, received }
}

function traceparent({ traceId, spanId }: { traceId: string; spanId: string }): string {
  return `00-${traceId}-${spanId}-01`
}

function namesOf(receiver: OtlpReceiver): string[] {
  return receiver.spans().map(({ name }) => name)
}

test('a request has a server span with a client span for the upstream', async () => {
  const receiver = await startOtlpReceiver()
  const upstream = await startUpstream()
  const program = await startProgram(forwardConfig(upstream.origin), {
    ...receiver.env,
    OTEL_RESOURCE_ATTRIBUTES: 'deployment.environment.name=test',
  })
  await fetch(`${program.proxyUrl}/orders/7?query=canary`, { method: 'POST', body: 'x' })

  const request = await receiver.span('POST all')
  expect(request).toMatchObject({ kind: 'server', parentSpanId: '', isError: false })
  expect(request.attributes).toEqual({
    'http.request.method': 'POST',
    'http.response.status_code': 200,
    'network.protocol.version': '1.1',
    'token_sidecar.route': 'all',
    'url.path': '/orders/7',
    'url.scheme': 'http',
  })
  const attempt = await receiver.span('POST')
  expect(attempt).toMatchObject({
    kind: 'client',
    traceId: request.traceId,
    parentSpanId: request.spanId,
    isError: false,
  })
  expect(attempt.attributes).toEqual({
    'http.request.method': 'POST',
    'http.response.status_code': 200,
    'network.protocol.version': '1.1',
    'server.address': '127.0.0.1',
    'server.port': Number(new URL(upstream.origin).port),
    'url.full': `${upstream.origin}/orders/7`,
  })
  expect(upstream.received[0]?.['traceparent']).toBe(traceparent(attempt))
  expect(receiver.exports[0]?.path).toBe('/v1/traces')
  expect(resourceOf(String(receiver.exports[0]?.body))).toMatchObject({
    'service.name': 'token-sidecar',
    'deployment.environment.name': 'test',
  })
  await program.stop()
  expect(program.output()).toContain(`"traceId":"${request.traceId}"`)
})

test('the span of a request to a listener with TLS has the scheme https', async () => {
  const receiver = await startOtlpReceiver()
  const upstream = await startUpstream()
  const authority = await createAuthority()
  const { certificate, key } = await authority.issue('sidecar', ['127.0.0.1'])
  const tls = `{ cert: { file: ${await fileWith(certificate)} }, key: { file: ${await fileWith(key)} } }`
  const file = await writeConfig(`
listen: { address: "127.0.0.1:0", tls: ${tls} }
admin: 127.0.0.1:0
${forwardConfig(upstream.origin)}`)
  const program = await startProgramAt(file, receiver.env)
  const session = connectHttp2(program.proxyUrl, { ca: authority.certificate })
  onTestFinished(() => session.destroy())
  expect(await text(session.request({ ':path': '/orders' }))).toBe('ok')
  const { attributes } = await receiver.span('GET all')
  expect(attributes).toMatchObject({ 'url.scheme': 'https', 'url.path': '/orders' })
})

test('a gRPC call has spans with the version of HTTP and its status', async () => {
  const receiver = await startOtlpReceiver()
  const server = await startGrpcServer()
  const program = await startProgram(forwardConfig(server.url, 'http2: always'), receiver.env)
  const outcome = await createGrpcClient(program.proxyUrl).unary('fail')
  expect(outcome.code).toBe(status.FAILED_PRECONDITION)

  const request = await receiver.span('POST all')
  expect(request.attributes).toMatchObject({
    'http.response.status_code': 200,
    'network.protocol.version': '2',
    'rpc.grpc.status_code': status.FAILED_PRECONDITION,
  })
  const attempt = await receiver.span('POST')
  expect(attempt.attributes).toMatchObject({ 'network.protocol.version': '2' })
})

test('a trace contains the wait for a token, with the token request as its child', async () => {
  const receiver = await startOtlpReceiver()
  const endpoint = await startTokenEndpoint((_request, res) => sendToken(res))
  const upstream = await startUpstream()
  const program = await startProgram(
    endpointConfig({
      endpoint: endpoint.url,
      upstream: upstream.origin,
      credential: NOT_PREFETCHED,
    }),
    receiver.env,
  )
  await fetch(`${program.proxyUrl}/orders`)

  const request = await receiver.span('GET orders')
  const wait = await receiver.span('wait for a token')
  expect(wait).toMatchObject({ kind: 'internal', parentSpanId: request.spanId, isError: false })
  const tokenRequest = await receiver.span('token request')
  expect(tokenRequest).toMatchObject({
    kind: 'client',
    traceId: request.traceId,
    parentSpanId: wait.spanId,
    isError: false,
  })
  expect(tokenRequest.attributes).toEqual({
    'token_sidecar.credential': 'corp',
    'server.address': '127.0.0.1',
    'server.port': Number(new URL(endpoint.url).port),
  })
  expect(endpoint.requests[0]?.headers['traceparent']).toBeUndefined()

  await fetch(`${program.proxyUrl}/orders`)
  await until(() => namesOf(receiver).filter((name) => name === 'GET orders').length === 2)
  expect(namesOf(receiver).filter((name) => name === 'wait for a token')).toHaveLength(1)
})

test('the trace of a replay after a 401 has both attempts and the token request', async () => {
  const receiver = await startOtlpReceiver()
  const endpoint = await startTokenEndpoint((_request, res) =>
    sendToken(res, { access_token: `token-${endpoint.requests.length}` }),
  )
  const upstream = await startUpstream((req, res) => {
    const isGood = req.headers.authorization === 'Bearer token-2'
    res.writeHead(isGood ? 200 : 401, { 'www-authenticate': 'Bearer error="invalid_token"' }).end()
  })
  const program = await startProgram(
    endpointConfig({ endpoint: endpoint.url, upstream: upstream.origin }),
    receiver.env,
  )
  await until(async () => (await fetch(`${program.adminUrl}/readyz`)).status === 200)
  expect((await fetch(`${program.proxyUrl}/orders`)).status).toBe(200)

  const request = await receiver.span('GET orders')
  const [first, second, ...more] = receiver.spans().filter(({ name }) => name === 'GET')
  expect(more).toEqual([])
  expect(first).toMatchObject({
    parentSpanId: request.spanId,
    isError: true,
    attributes: { 'http.response.status_code': 401, 'error.type': '401' },
  })
  expect(second).toMatchObject({
    parentSpanId: request.spanId,
    isError: false,
    attributes: { 'http.response.status_code': 200, 'http.request.resend_count': 1 },
  })
  expect(upstream.received.map((headers) => headers['traceparent'])).toEqual(
    [first, second].map((span) => span && traceparent(span)),
  )
  const wait = await receiver.span('wait for a token')
  expect(wait.parentSpanId).toBe(request.spanId)
  const tokenRequest = receiver.spans().filter(({ name }) => name === 'token request')
  expect(tokenRequest.map(({ parentSpanId }) => parentSpanId)).toEqual(['', wait.spanId])
})

test('the trace of a retry on a stale connection has both attempts', async () => {
  const receiver = await startOtlpReceiver()
  const upstream = await startRawUpstream((received, socket) => {
    if (received.split('GET / HTTP/1.1').length > 2) socket.end()
    else if (isWholeRequest(received)) socket.write('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n')
  })
  const program = await startProgram(forwardConfig(upstream.origin), receiver.env)
  for (const expected of [200, 200]) {
    expect((await fetch(program.proxyUrl)).status).toBe(expected)
  }
  await until(() => namesOf(receiver).length === 5)
  const [, stale, retry] = receiver.spans().filter(({ name }) => name === 'GET')
  expect(stale).toMatchObject({ isError: true, attributes: { 'error.type': 'upstream_reset' } })
  expect(retry).toMatchObject({
    parentSpanId: stale?.parentSpanId,
    isError: false,
    attributes: { 'http.request.resend_count': 1 },
  })
})

test('a failure sets the error status of its span and of the request span', async () => {
  const receiver = await startOtlpReceiver()
  const program = await startProgram(forwardConfig('http://127.0.0.1:1'), receiver.env)
  expect((await fetch(program.proxyUrl)).status).toBe(502)
  const failed = { isError: true, attributes: { 'error.type': 'upstream_unreachable' } }
  expect(await receiver.span('GET')).toMatchObject(failed)
  expect(await receiver.span('GET all')).toMatchObject(failed)
  expect((await receiver.span('GET all')).attributes['http.response.status_code']).toBe(502)
})

test('a rejected client sets the error status of the token request, the wait and the request', async () => {
  const receiver = await startOtlpReceiver()
  const endpoint = await startTokenEndpoint((_request, res) => {
    res.writeHead(401, { 'content-type': 'application/json' }).end('{"error":"invalid_client"}')
  })
  const program = await startProgram(
    endpointConfig({
      endpoint: endpoint.url,
      upstream: 'http://127.0.0.1:1',
      credential: NOT_PREFETCHED,
    }),
    receiver.env,
  )
  await fetch(`${program.proxyUrl}/orders`)
  const failed = { isError: true, attributes: { 'error.type': 'token_rejected' } }
  for (const name of ['token request', 'wait for a token', 'GET orders']) {
    expect(await receiver.span(name)).toMatchObject(failed)
  }
})

test('a 4xx response does not set the error status of the server span', async () => {
  const receiver = await startOtlpReceiver()
  const program = await startProgram(
    forwardConfig('http://127.0.0.1:1').replace('path: /', 'path: /known'),
    receiver.env,
  )
  expect((await fetch(program.proxyUrl)).status).toBe(404)
  expect(await receiver.span('GET')).toMatchObject({
    kind: 'server',
    isError: false,
    attributes: { 'error.type': 'route_not_found', 'http.response.status_code': 404 },
  })
})

test('the span of an upgrade ends with the 101', async () => {
  const receiver = await startOtlpReceiver()
  const upstream = await startSwitchingServer((socket) => {
    socket.write(SWITCHING)
    socket.resume().once('end', () => socket.end())
  })
  const program = await startProgram(forwardConfig(upstream.origin), receiver.env)
  const { hostname, port } = new URL(program.proxyUrl)
  const client = connect(Number(port), hostname)
  client.write(handshake())
  await once(client, 'data')

  const request = await receiver.span('GET all')
  expect(request.attributes['http.response.status_code']).toBe(101)
  const attempt = await receiver.span('GET')
  expect(attempt.attributes['http.response.status_code']).toBe(101)
  expect(upstream.handshakes[0]?.headers['traceparent']).toBe(traceparent(attempt))
  expect(upstream.open.size).toBe(1)
  client.destroy()
  await program.stop()
  expect(namesOf(receiver).toSorted()).toEqual(['GET', 'GET all'])
})

test('the trace context of the application is continued, with its tracestate', async () => {
  const receiver = await startOtlpReceiver()
  const upstream = await startUpstream()
  const program = await startProgram(forwardConfig(upstream.origin), receiver.env)
  await fetch(program.proxyUrl, {
    headers: { traceparent: `00-${TRACE_ID}-${PARENT_ID}-01`, tracestate: 'a=1,b=2' },
  })
  const request = await receiver.span('GET all')
  expect(request).toMatchObject({
    traceId: TRACE_ID,
    parentSpanId: PARENT_ID,
    traceState: 'a=1,b=2',
  })
  const attempt = await receiver.span('GET')
  expect(attempt).toMatchObject({ traceId: TRACE_ID, parentSpanId: request.spanId })
  expect(upstream.received[0]).toMatchObject({
    traceparent: traceparent(attempt),
    tracestate: 'a=1,b=2',
  })
})

test.for([
  { why: 'the application does not sample it', flags: '00', env: {} },
  { why: 'the sampler is off', flags: '01', env: { OTEL_TRACES_SAMPLER: 'always_off' } },
])(
  'a trace that is not sampled because $why is propagated, not exported',
  async ({ flags, env }) => {
    const receiver = await startOtlpReceiver()
    const upstream = await startUpstream()
    const program = await startProgram(forwardConfig(upstream.origin), { ...receiver.env, ...env })
    await fetch(program.proxyUrl, {
      headers: { traceparent: `00-${TRACE_ID}-${PARENT_ID}-${flags}`, tracestate: 'a=1' },
    })
    expect(upstream.received[0]?.['traceparent']).toMatch(
      new RegExp(`^00-${TRACE_ID}-(?!${PARENT_ID})[\\da-f]{16}-00$`),
    )
    expect(upstream.received[0]?.['tracestate']).toBe('a=1')
    await program.stop()
    expect(receiver.exports).toEqual([])
  },
)

test('an invalid traceparent starts a new trace, and is not forwarded', async () => {
  const receiver = await startOtlpReceiver()
  const upstream = await startUpstream()
  const program = await startProgram(forwardConfig(upstream.origin), receiver.env)
  await fetch(program.proxyUrl, { headers: { traceparent: '00-nonsense-01', tracestate: 'a=1' } })
  expect((await receiver.span('GET all')).parentSpanId).toBe('')
  expect(upstream.received[0]?.['traceparent']).toBe(traceparent(await receiver.span('GET')))
  expect(upstream.received[0]?.['tracestate']).toBeUndefined()
})

test('a route that removes traceparent does not send it to the upstream', async () => {
  const receiver = await startOtlpReceiver()
  const upstream = await startUpstream()
  const program = await startProgram(
    forwardConfig(upstream.origin, 'headers: { remove: [traceparent, tracestate] }'),
    receiver.env,
  )
  await fetch(program.proxyUrl, { headers: { traceparent: `00-${TRACE_ID}-${PARENT_ID}-01` } })
  expect((await receiver.span('GET all')).traceId).toBe(TRACE_ID)
  expect(upstream.received[0]).not.toHaveProperty('traceparent')
})

test('a background refresh is a separate trace', async () => {
  const receiver = await startOtlpReceiver()
  const endpoint = await startTokenEndpoint((_request, res) => sendToken(res, { expires_in: 2 }))
  const upstream = await startUpstream()
  const program = await startProgram(
    endpointConfig({
      endpoint: endpoint.url,
      upstream: upstream.origin,
      credential: NOT_PREFETCHED,
    }),
    receiver.env,
  )
  await fetch(`${program.proxyUrl}/orders`)
  const request = await receiver.span('GET orders')
  await until(() => namesOf(receiver).filter((name) => name === 'token request').length > 1)
  const renewal = receiver.spans().findLast(({ name }) => name === 'token request')
  expect(renewal?.parentSpanId).toBe('')
  expect(renewal?.traceId).not.toBe(request.traceId)
})

test.for([
  { what: 'no variable is set', env: (): Record<string, string> => ({}) },
  {
    what: 'the SDK is disabled',
    env: (url: string) => ({ OTEL_EXPORTER_OTLP_ENDPOINT: url, OTEL_SDK_DISABLED: 'true' }),
  },
  {
    what: 'the exporter is none',
    env: (url: string) => ({ OTEL_EXPORTER_OTLP_ENDPOINT: url, OTEL_TRACES_EXPORTER: 'none' }),
  },
])('when $what, nothing is exported and no header changes', async ({ env }) => {
  const receiver = await startOtlpReceiver()
  const upstream = await startUpstream()
  const program = await startProgram(forwardConfig(upstream.origin), env(receiver.url))
  const headers = { traceparent: `00-${TRACE_ID}-${PARENT_ID}-01`, tracestate: 'a=1' }
  await fetch(program.proxyUrl, { headers })
  await fetch(program.proxyUrl)
  await program.stop()
  expect(upstream.received[0]).toMatchObject(headers)
  expect(upstream.received[1]).not.toHaveProperty('traceparent')
  expect(receiver.exports).toEqual([])
  expect(program.output()).not.toContain('traceId')
})

test('a failing OTLP receiver is logged once until it recovers, and affects no request', async () => {
  const receiver = await startOtlpReceiver()
  receiver.respondWith(500)
  const upstream = await startUpstream()
  const program = await startProgram(forwardConfig(upstream.origin), receiver.env)
  for (const exports of [1, 2, 3]) {
    expect((await fetch(program.proxyUrl)).status).toBe(200)
    await until(() => receiver.exports.length >= exports)
  }
  receiver.respondWith(200)
  await until(async () => {
    await fetch(program.proxyUrl)
    return program.output().includes('traces are exported again')
  })
  await program.stop()
  expect(program.output().match(/cannot export traces/g)).toHaveLength(1)
  expect(program.output()).toContain('"reason":"the receiver responded with status 500"')
  expect(program.output()).not.toContain('canary-answer')
})

test('an unreachable OTLP receiver delays the exit by less than 5 s', async () => {
  const upstream = await startUpstream()
  const program = await startProgram(forwardConfig(upstream.origin), {
    OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:1',
  })
  expect((await fetch(program.proxyUrl)).status).toBe(200)
  const startedAt = performance.now()
  expect((await program.stop()).code).toBe(0)
  expect(performance.now() - startedAt).toBeLessThan(5_000)
  expect(program.output()).toContain('"message":"stopped"')
})

test('pending spans are exported before the exit, by default as protobuf', async () => {
  const receiver = await startOtlpReceiver()
  const upstream = await startUpstream()
  const program = await startProgram(forwardConfig(upstream.origin), {
    OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: `${receiver.url}/own/path`,
  })
  await fetch(program.proxyUrl, { headers: { traceparent: `00-${TRACE_ID}-${PARENT_ID}-01` } })
  expect(receiver.exports).toEqual([])
  expect((await program.stop()).code).toBe(0)
  expect(receiver.exports).toHaveLength(1)
  const [sent] = receiver.exports
  expect(sent?.path).toBe('/own/path')
  expect(sent?.headers['content-type']).toBe('application/x-protobuf')
  expect(spansInProtobuf(sent?.body ?? Buffer.alloc(0))).toEqual([
    { name: 'GET', traceId: TRACE_ID },
    { name: 'GET all', traceId: TRACE_ID },
  ])
})

test('exported spans contain no secret, token, header or query, and the log no OTLP key', async () => {
  const receiver = await startOtlpReceiver()
  const endpoint = await startTokenEndpoint((_request, res) =>
    sendToken(res, { access_token: `canary-token-${endpoint.requests.length}` }),
  )
  const upstream = await startUpstream((req, res) => {
    res.writeHead(req.url?.startsWith('/orders/401') ? 401 : 200, {
      'www-authenticate': 'Bearer error="invalid_token", realm="canary-challenge"',
    })
    res.end('canary-body')
  })
  const program = await startProgram(
    `${endpointConfig({ endpoint: endpoint.url, upstream: upstream.origin })}\nlog: { level: debug }`,
    { ...receiver.env, OTEL_EXPORTER_OTLP_HEADERS: 'api-key=canary-key' },
  )
  for (const path of ['/orders', '/orders/401', '/elsewhere']) {
    await fetch(`${program.proxyUrl}${path}?canary-query`, {
      headers: { authorization: 'Basic canary-header', 'x-secret': 'canary-header' },
    })
  }
  await program.stop()
  expect(receiver.exports[0]?.headers['api-key']).toBe('canary-key')
  expect(namesOf(receiver)).toContain('token request')
  const everything = receiver.exports.map(({ body }) => body.toString()).join('\n')
  expect(everything).not.toContain('canary')
  expect(everything).not.toContain(CLIENT_SECRET)
  expect(program.output()).not.toContain('canary-key')
})

test('an invalid OTLP header value is neither sent nor logged', async () => {
  const receiver = await startOtlpReceiver()
  const upstream = await startUpstream()
  const program = await startProgram(`${forwardConfig(upstream.origin)}\nlog: { level: debug }`, {
    ...receiver.env,
    OTEL_EXPORTER_OTLP_HEADERS: 'api-key=canary%0Akey',
  })
  expect((await fetch(program.proxyUrl)).status).toBe(200)
  await until(() => program.output().includes('cannot export traces'))
  expect((await program.stop()).code).toBe(0)
  expect(program.output()).not.toContain('canary')
})

test('start-up fails with the name of an unsupported OpenTelemetry variable', async () => {
  const file = await writeConfig(forwardConfig('http://127.0.0.1:1'))
  const outcome = await runProgram(['run', '-c', file], {
    env: {
      OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:4317',
      OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc',
    },
  })
  expect(outcome.code).toBe(1)
  expect(outcome.err).toBe(
    'Cannot start: OTEL_EXPORTER_OTLP_PROTOCOL: expected one of http/protobuf, http/json\n',
  )
})
