import { randomBytes } from 'node:crypto'
import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { startFrameUpstream } from '../helpers/frame-upstream.ts'
import { encodeFields } from '../helpers/hpack.ts'
import {
  dataFrame,
  encodeFrame,
  ERROR,
  FLAG,
  FRAME,
  type FrameClient,
  headersFrame,
  openFrameClient,
  requestFields,
  resetFrame,
  settingsFrame,
  valueOf,
  windowUpdateFrame,
} from '../helpers/http2-frames.ts'
import { CLIENT_ID, CLIENT_SECRET } from '../helpers/servers.ts'
import { startSidecar } from '../helpers/sidecar.ts'
import { sendToken, startTokenEndpoint } from '../helpers/token-endpoint.ts'
import { frameTypes, mutateFrames, mutations } from './http2/mutated-frames.ts'

const TOKEN = 'TOKEN-THAT-NO-CLIENT-MAY-SEE'

/** More runs, with another seed each time: `HTTP2_FUZZ_RUNS=5000`. */
const RUNS = Number(process.env['HTTP2_FUZZ_RUNS'] ?? 0)
const PARAMETERS = RUNS > 0 ? { numRuns: RUNS } : { numRuns: 60, seed: 1 }

/** Several connections at a time. */
const attempts = <T>(base: fc.Arbitrary<T>) =>
  fc.array(fc.tuple(base, mutations), { minLength: 1, maxLength: 8 })

/** Long enough that a changed octet does not produce the id of another request. */
const nextId = (): string => `id-${randomBytes(8).toString('hex')}`

/** Valid sequences of a client; each request has a unique id. */
const REQUESTS: readonly (() => Buffer[])[] = [
  () => [headersFrame(1, get()), headersFrame(3, get()), headersFrame(5, get())],
  () => [
    headersFrame(1, post(), FLAG.END_HEADERS),
    dataFrame(1, 'hello'),
    dataFrame(1, ' world'),
    headersFrame(1, ['x-sum', '1']),
  ],
  () => [
    headersFrame(1, post(['content-length', '10']), FLAG.END_HEADERS),
    headersFrame(3, post(['content-length', '3']), FLAG.END_HEADERS),
    dataFrame(1, 'hello'),
    dataFrame(3, 'abc', FLAG.END_STREAM),
    dataFrame(1, 'world', FLAG.END_STREAM),
  ],
  () => {
    const block = encodeFields(get(['cookie', 'a=1', 'cookie', 'b=2', 'te', 'trailers']))
    return [
      encodeFrame(FRAME.HEADERS, FLAG.END_STREAM, 1, block.subarray(0, 30)),
      encodeFrame(FRAME.CONTINUATION, 0, 1, block.subarray(30, 50)),
      encodeFrame(FRAME.CONTINUATION, FLAG.END_HEADERS, 1, block.subarray(50)),
      headersFrame(3, get()),
    ]
  },
  () => [
    settingsFrame([
      [1, 0],
      [4, 100],
    ]),
    headersFrame(1, get()),
    encodeFrame(FRAME.PING, 0, 0, Buffer.from('12345678')),
    encodeFrame(FRAME.PRIORITY, 0, 3, Buffer.from([0, 0, 0, 1, 16])),
    headersFrame(3, get()),
    windowUpdateFrame(0, 1000),
    windowUpdateFrame(1, 1000),
    resetFrame(3, ERROR.CANCEL),
    headersFrame(5, get(['expect', '100-continue'])),
    encodeFrame(FRAME.GOAWAY, 0, 0, Buffer.alloc(8)),
  ],
  () => [
    headersFrame(1, [':method', 'CONNECT', ':authority', 'localhost:443']),
    headersFrame(3, get(['host', 'localhost', 'authorization', 'Bearer own'])),
  ],
]

function get(extra: readonly string[] = []): string[] {
  return requestFields(['x-id', nextId(), ...extra], { path: '/orders' })
}

function post(extra: readonly string[] = []): string[] {
  return requestFields(['x-id', nextId(), ...extra], { path: '/orders', method: 'POST' })
}

test('mutated frames of a client deliver no request twice, and others are served', async () => {
  const arrived = new Map<string, number>()
  const authorizations = new Set<string | undefined>()
  const { origin } = await startFrameUpstream((id, { send }, fields) => {
    const requestId = valueOf(fields, 'x-id')
    if (requestId === undefined) return
    authorizations.add(fields.filter((_, i) => fields[i - 1] === 'authorization').join())
    arrived.set(requestId, (arrived.get(requestId) ?? 0) + 1)
    send(
      headersFrame(id, [':status', '200'], FLAG.END_HEADERS),
      dataFrame(id, 'ok', FLAG.END_STREAM),
    )
  })
  const { proxyUrl } = await startTokenSidecar(origin)
  const control = await openFrameClient(proxyUrl)
  let controlStream = 1
  await fc.assert(
    fc.asyncProperty(attempts(fc.constantFrom(...REQUESTS)), async (batch) => {
      const clients = await Promise.all(
        batch.map(async ([request, changes]) => {
          const frames = mutateFrames(request(), changes)
          const client = await openFrameClient(proxyUrl)
          client.send(...frames)
          return { client, sent: Buffer.concat(frames).toString('latin1') }
        }),
      )
      const controlId = nextId()
      controlStream += 2
      control.send(
        headersFrame(controlStream, requestFields(['x-id', controlId], { path: '/orders' })),
      )
      const response = await control.response(controlStream)
      expect(valueOf(response.sections[0], ':status')).toBe('200')
      expect(arrived.get(controlId)).toBe(1)
      for (const { client, sent } of clients) {
        for (const id of new Set(sent.match(/id-[\da-f]{16}/g))) {
          expect(arrived.get(id) ?? 0).toBeLessThanOrEqual(sent.split(id).length - 1)
        }
        expect(textOf(client)).not.toContain(TOKEN)
        client.socket.destroy()
      }
    }),
    PARAMETERS,
  )
  expect([...authorizations]).toEqual([`Bearer ${TOKEN}`])
})

/** Valid sequences of an upstream, in response to a request on `id`. */
const RESPONSES: readonly ((id: number) => Buffer[])[] = [
  (id) => [headersFrame(id, [':status', '204'])],
  (id) => [
    headersFrame(id, [':status', '103', 'link', '</a>'], FLAG.END_HEADERS),
    headersFrame(id, [':status', '200', 'content-length', '5'], FLAG.END_HEADERS),
    dataFrame(id, 'hel'),
    dataFrame(id, 'lo', FLAG.END_STREAM),
  ],
  (id) => [
    headersFrame(id, [':status', '200', 'x-a', 'b'], FLAG.END_HEADERS),
    dataFrame(id, 'hello'),
    encodeFrame(FRAME.PING, 0, 0, Buffer.from('12345678')),
    windowUpdateFrame(0, 1000),
    windowUpdateFrame(id, 1000),
    headersFrame(id, ['x-sum', '1']),
  ],
  (id) => {
    const block = encodeFields([':status', '401', 'www-authenticate', 'Bearer', 'x-a', 'b'])
    return [
      settingsFrame([
        [3, 1],
        [4, 100],
      ]),
      encodeFrame(FRAME.HEADERS, 0, id, block.subarray(0, 20)),
      encodeFrame(FRAME.CONTINUATION, FLAG.END_HEADERS, id, block.subarray(20)),
      dataFrame(id, '', FLAG.END_STREAM),
    ]
  },
]

test('mutated frames of an upstream deliver no request twice and reveal no token', async () => {
  const arrived = new Map<string, number>()
  const authorizations = new Set<string>()
  const planned = new Map<
    string,
    readonly [(typeof RESPONSES)[number], Parameters<typeof mutateFrames>[1]]
  >()
  const mayRepeat = new Set<string>()
  const { origin } = await startFrameUpstream((id, { send, socket }, fields) => {
    const requestId = valueOf(fields, 'x-id') ?? ''
    const [respond, changes] = planned.get(requestId) ?? [RESPONSES[0], []]
    if (valueOf(fields, ':method') === undefined || respond === undefined) return
    authorizations.add(fields.filter((_, i) => fields[i - 1] === 'authorization').join())
    arrived.set(requestId, (arrived.get(requestId) ?? 0) + 1)
    const frames = mutateFrames(respond(id), changes)
    // RFC 9113 section 8.7: a request that was not processed may be retried.
    const types = frameTypes(Buffer.concat(frames))
    const isRefusal = types.includes(FRAME.RST_STREAM) || types.includes(FRAME.GOAWAY)
    const isUnauthorized = respond === RESPONSES[3]
    if (isRefusal || isUnauthorized) {
      for (const [other, count] of arrived) if (count > 0) mayRepeat.add(other)
    }
    send(...frames)
    // A response that never arrives ends with the connection.
    if (changes.length > 0) socket.end()
  })
  const { proxyUrl } = await startTokenSidecar(origin)
  await fc.assert(
    fc.asyncProperty(attempts(fc.constantFrom(...RESPONSES)), async (batch) => {
      mayRepeat.clear()
      const client = await openFrameClient(proxyUrl)
      const requestIds = batch.map((plan) => {
        const id = nextId()
        planned.set(id, plan)
        return id
      })
      for (const [i, id] of requestIds.entries()) {
        const fields = requestFields(['x-id', id], { path: '/orders', method: 'POST' })
        client.send(headersFrame(2 * i + 1, fields))
      }
      for (const i of requestIds.keys()) await client.response(2 * i + 1)
      expect(client.goaway()).toBeUndefined()
      const repeated = requestIds.filter((id) => (arrived.get(id) ?? 0) > 1 && !mayRepeat.has(id))
      expect(repeated).toEqual([])
      expect(textOf(client)).not.toContain(TOKEN)
      client.socket.destroy()
      planned.clear()
      const served = await fetch(`${proxyUrl}/orders`, { headers: { 'x-id': nextId() } })
      expect(served.status).toBe(204)
    }),
    PARAMETERS,
  )
  expect([...authorizations]).toEqual([`Bearer ${TOKEN}`])
})

/** All that a client has received. */
function textOf(client: FrameClient): string {
  const streams = [...new Set(client.frames.map(({ streamId }) => streamId))]
  return streams
    .map(client.stream)
    .map(({ sections, content }) => `${JSON.stringify(sections)} ${content.toString('latin1')}`)
    .join('\n')
}

async function startTokenSidecar(upstream: string) {
  const endpoint = await startTokenEndpoint((_request, res) =>
    sendToken(res, { access_token: TOKEN }),
  )
  return await startSidecar(`
credentials:
  corp:
    tokenEndpoint: ${endpoint.url}
    clientId: ${CLIENT_ID}
    auth: { method: client_secret_basic, clientSecret: { value: ${CLIENT_SECRET} } }
routes:
  - name: all
    match: { path: / }
    upstream: ${upstream}
    credential: corp
    http2: always
    timeouts: { response: 2s, idle: 2s }
`)
}
