import { Metadata, status } from '@grpc/grpc-js'
import { expect, test } from 'vitest'
import { createGrpcClient, startGrpcServer, statusOf } from '../helpers/grpc.ts'
import { metric } from '../helpers/metrics.ts'
import { startSidecar } from '../helpers/sidecar.ts'
import { sendToken, startTokenEndpoint } from '../helpers/token-endpoint.ts'
import { until } from '../helpers/wait.ts'

/** A gRPC server behind a sidecar that adds the tokens `token-1`, `token-2` and so on. */
async function startGrpc(accepts?: (authorization: string) => boolean) {
  let issued = 0
  const endpoint = await startTokenEndpoint((_request, res) => {
    issued += 1
    sendToken(res, { access_token: `token-${issued}` })
  })
  const server = await startGrpcServer(accepts)
  const sidecar = await startSidecar(`
credentials:
  corp:
    tokenEndpoint: ${endpoint.url}
    clientId: client
    auth: { clientSecret: { value: secret } }
routes:
  - name: echo
    match: { path: /test.Echo }
    upstream: ${server.url}
    keepPath: true
    http2: always
    credential: corp
`)
  return { server, sidecar, endpoint, client: createGrpcClient(sidecar.proxyUrl) }
}

const OK = { code: status.OK, details: 'OK' }

test('a unary call carries the token, metadata, the message and the trailer section', async () => {
  const { client, server, sidecar } = await startGrpc()
  const metadata = new Metadata()
  metadata.set('x-order', '7')
  metadata.set('x-blob-bin', Buffer.from([0, 255, 10]))
  const outcome = await client.unary('hello', { metadata })
  expect(outcome).toMatchObject({ ...OK, messages: ['hello'] })
  expect(outcome.trailers.get('x-order')).toEqual(['7'])
  expect(outcome.trailers.get('x-blob-bin')).toEqual([Buffer.from([0, 255, 10])])
  expect(server.calls[0]?.get('authorization')).toEqual(['Bearer token-1'])
  expect(await metric(sidecar, 'token_sidecar_grpc_calls_total', { route: 'echo' })).toBe(1)
})

test('a call with a large message and large metadata is carried', async () => {
  const { client } = await startGrpc()
  const metadata = new Metadata()
  metadata.set('x-large', 'x'.repeat(8_000))
  const message = 'large'.repeat(200_000)
  const outcome = await client.unary(message, { metadata })
  expect(outcome.code).toBe(status.OK)
  expect(outcome.messages).toEqual([message])
})

test('client streaming, server streaming and bidirectional streaming are carried', async () => {
  const { client } = await startGrpc()
  expect(await client.stream('Collect', ['a', 'b', 'c'])).toMatchObject({
    ...OK,
    messages: ['abc'],
  })
  expect(await client.stream('Repeat', ['x'])).toMatchObject({ ...OK, messages: ['x', 'x', 'x'] })
  expect(await client.stream('Chat', ['a', 'b'])).toMatchObject({ ...OK, messages: ['a', 'b'] })
})

test('a bidirectional stream delivers each message before the client has ended', async () => {
  const { client } = await startGrpc()
  const call = client.chat()
  const received: string[] = []
  call.on('data', (message: Buffer) => received.push(message.toString()))
  for (const message of ['one', 'two', 'three']) {
    call.write(Buffer.from(message))
    await until(() => received.at(-1) === message)
  }
  const ended = statusOf(call)
  call.end()
  expect(await ended).toMatchObject(OK)
  expect(received).toEqual(['one', 'two', 'three'])
})

test.for(['unary', 'stream'] as const)(
  'the status, message and trailer section of a failed %s call arrive unchanged',
  async (kind) => {
    const { client } = await startGrpc()
    const outcome = await (kind === 'unary'
      ? client.unary('fail')
      : client.stream('Repeat', ['fail']))
    expect(outcome).toMatchObject({ code: status.FAILED_PRECONDITION, details: '100 % naïve' })
    expect(outcome.trailers.get('x-reason')).toEqual(['out of stock'])
  },
)

test('a deadline ends the call at the client and cancels it at the server', async () => {
  const { client, server } = await startGrpc()
  const outcome = await client.unary('wait', { deadline: Date.now() + 300 })
  expect(outcome.code).toBe(status.DEADLINE_EXCEEDED)
  await until(() => server.cancelled() === 1)
})

test('a call that the client cancels is cancelled at the server, and others go on', async () => {
  const { client, server } = await startGrpc()
  const first = client.chat()
  const second = client.chat()
  const received: string[] = []
  second.on('data', (message: Buffer) => received.push(message.toString()))
  first.write(Buffer.from('a'))
  second.write(Buffer.from('b'))
  await until(() => received.length === 1)
  const cancelled = statusOf(first)
  first.cancel()
  expect((await cancelled).code).toBe(status.CANCELLED)
  await until(() => server.cancelled() === 1)
  second.write(Buffer.from('c'))
  await until(() => received.length === 2)
  second.end()
  expect(await statusOf(second)).toMatchObject(OK)
})

test('a call whose token the server rejects is sent again with a new token', async () => {
  const { client, server, endpoint } = await startGrpc((value) => value !== 'Bearer token-1')
  expect(await client.unary('hello')).toMatchObject({ ...OK, messages: ['hello'] })
  expect(server.calls.map((metadata) => metadata.get('authorization'))).toEqual([
    ['Bearer token-1'],
    ['Bearer token-2'],
  ])
  expect(endpoint.requests).toHaveLength(2)
})

test('a server that rejects every token gets the call twice, and the client UNAUTHENTICATED', async () => {
  const { client, server, sidecar } = await startGrpc(() => false)
  const outcome = await client.unary('hello')
  expect(outcome).toMatchObject({ code: status.UNAUTHENTICATED, details: 'token not accepted' })
  expect(server.calls).toHaveLength(2)
  const rejected = await metric(sidecar, 'token_sidecar_upstream_unauthorized_total', {
    route: 'echo',
  })
  expect(rejected).toBe(1)
})

test('a call without a route fails with UNIMPLEMENTED and says why', async () => {
  const endpoint = await startTokenEndpoint((_request, res) => sendToken(res))
  const sidecar = await startSidecar(`
credentials:
  corp:
    tokenEndpoint: ${endpoint.url}
    clientId: client
    auth: { clientSecret: { value: secret } }
routes:
  - { name: other, match: { path: /other }, upstream: "http://127.0.0.1:9", credential: corp }
`)
  const outcome = await createGrpcClient(sidecar.proxyUrl).unary('hello')
  expect(outcome).toMatchObject({
    code: status.UNIMPLEMENTED,
    details: expect.stringContaining('No route matches the request: '),
  })
})

test('a call that gets no token fails with UNAVAILABLE', async () => {
  const endpoint = await startTokenEndpoint((_request, res) => void res.writeHead(503).end())
  const sidecar = await startSidecar(`
credentials:
  corp:
    tokenEndpoint: ${endpoint.url}
    clientId: client
    auth: { clientSecret: { value: secret } }
routes:
  - name: without-token
    match: { path: /test.Echo }
    upstream: http://127.0.0.1:9
    credential: corp
`)
  expect(await createGrpcClient(sidecar.proxyUrl).unary('hello')).toMatchObject({
    code: status.UNAVAILABLE,
    details: expect.stringContaining('No access token is available: '),
  })
})

test('a call to an upstream that refuses connections fails with UNAVAILABLE', async () => {
  const sidecar = await startSidecar(`
routes:
  - name: dead
    match: { path: / }
    upstream: http://127.0.0.1:9
    http2: always
    credential: none
`)
  expect(await createGrpcClient(sidecar.proxyUrl).unary('hello')).toMatchObject({
    code: status.UNAVAILABLE,
    details: expect.stringContaining('The upstream cannot be reached: '),
  })
})
