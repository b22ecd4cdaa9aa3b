import { expect, test } from 'vitest'
import type { ExchangeRequest } from '../../../src/exchange/exchange-request.ts'
import { replayAfter401 } from '../../../src/exchange/replay-after-401.ts'
import type { TokenSource } from '../../../src/tokens/token-source.ts'
import {
  accessToken,
  exchangeRequest,
  requestBody,
  upstreamResponse,
} from '../../helpers/exchange-request.ts'

const OLD = accessToken('old')
const NEW = accessToken('new')
const SIGNAL = new AbortController().signal

type Scene = {
  readonly request?: Partial<ExchangeRequest>
  readonly fields?: readonly string[]
  readonly replace?: TokenSource['replace']
  readonly statuses?: readonly number[]
}

/** What happens to a request whose responses have these statuses. */
async function replay({
  request = {},
  fields = [],
  replace = async () => NEW,
  statuses = [401, 200],
}: Scene) {
  const attempts: ExchangeRequest[] = []
  const replacing: unknown[] = []
  let discarded = 0
  let replayed = 0
  const send = replayAfter401(
    {
      tokens: {
        replace(refused, signal, trace) {
          replacing.push(refused)
          return replace(refused, signal, trace)
        },
      },
      tokenMs: 10_000,
      metrics: { replayed: () => (replayed += 1) },
    },
    async (attempt) => {
      attempts.push(attempt)
      const status = statuses[attempts.length - 1] ?? 500
      return upstreamResponse({ status, fields, discard: () => void (discarded += 1) })
    },
  )
  const { status } = await send(exchangeRequest({ token: OLD, ...request }), SIGNAL)
  return { status, attempts, replacing, discarded, replayed }
}

test('a rejected token is replaced, and the request sent once more', async () => {
  const { status, attempts, discarded, replayed } = await replay({})
  expect(status).toBe(200)
  expect(attempts.map(({ token }) => token)).toEqual([OLD, NEW])
  expect(discarded).toBe(1)
  expect(replayed).toBe(1)
})

test('a 401 is the response if the rejected token remains in use', async () => {
  const { status, attempts, discarded, replayed } = await replay({ replace: async () => OLD })
  expect(status).toBe(401)
  expect(attempts).toHaveLength(1)
  expect(discarded).toBe(0)
  expect(replayed).toBe(0)
})

test('the second 401 is the response', async () => {
  const { status, attempts, discarded } = await replay({ statuses: [401, 401, 200] })
  expect(status).toBe(401)
  expect(attempts).toHaveLength(2)
  expect(discarded).toBe(1)
})

test.for([
  { what: 'a response other than 401', statuses: [403], fields: [], token: OLD },
  {
    what: 'a 401 for insufficient scope',
    statuses: [401],
    fields: ['WWW-Authenticate', 'Bearer error="insufficient_scope"'],
    token: OLD,
  },
  { what: 'a 401 without a token of ours', statuses: [401], fields: [], token: undefined },
])('$what replaces no token', async ({ statuses, fields, token }) => {
  const { attempts, replacing, discarded } = await replay({ statuses, fields, request: { token } })
  expect(attempts).toHaveLength(1)
  expect(replacing).toEqual([])
  expect(discarded).toBe(0)
})

test('a gRPC call with UNAUTHENTICATED in a trailers-only response is replayed', async () => {
  const { attempts } = await replay({
    statuses: [200, 200],
    fields: ['grpc-status', '16'],
    request: { isGrpc: true, body: requestBody() },
  })
  expect(attempts.map(({ token }) => token)).toEqual([OLD, NEW])
})

test('grpc-status is ignored in the response to a request that is no gRPC call', async () => {
  const { attempts } = await replay({ statuses: [200], fields: ['grpc-status', '16'] })
  expect(attempts).toHaveLength(1)
})

test('a gRPC stream that the client has not ended is not replayed, but its token is replaced', async () => {
  const body = requestBody({ isComplete: () => false })
  const { attempts, replacing } = await replay({
    statuses: [200],
    fields: ['grpc-status', '16'],
    request: { isGrpc: true, body },
  })
  expect(attempts).toHaveLength(1)
  expect(replacing).toEqual([OLD])
})

test('a request for another nonce is replayed with the same token', async () => {
  const { attempts, replacing } = await replay({
    fields: ['WWW-Authenticate', 'DPoP error="use_dpop_nonce"'],
  })
  expect(attempts.map(({ token }) => token)).toEqual([OLD, OLD])
  expect(replacing).toEqual([])
})

test('a kept body is replayed complete', async () => {
  const { attempts } = await replay({ request: { body: requestBody() } })
  expect(attempts[1]?.body).toEqual({ content: Buffer.from('whole'), trailers: [] })
})

test('a body that was not kept is not replayed, but its token is replaced', async () => {
  const body = requestBody({ isKept: () => false })
  const { status, attempts, replacing } = await replay({ request: { body } })
  expect(status).toBe(401)
  expect(attempts).toHaveLength(1)
  expect(replacing).toEqual([OLD])
})

test('a body that turns out to be too large is not replayed', async () => {
  const body = requestBody({ whole: async () => undefined })
  const { status, attempts, discarded } = await replay({ request: { body } })
  expect(status).toBe(401)
  expect(attempts).toHaveLength(1)
  expect(discarded).toBe(0)
})

test.for<{ what: string; replace: TokenSource['replace'] }>([
  { what: 'there is none soon', replace: () => undefined },
  { what: 'fetching it fails', replace: () => Promise.reject(new Error('no')) },
])('without another token, because $what, the 401 is the response', async ({ replace }) => {
  const { status, attempts, discarded } = await replay({ replace })
  expect(status).toBe(401)
  expect(attempts).toHaveLength(1)
  expect(discarded).toBe(0)
})

test('a client that leaves while its body arrives ends the wait', async () => {
  const exchange = new AbortController()
  const send = replayAfter401(
    { tokens: { replace: async () => NEW }, tokenMs: 10_000, metrics: { replayed() {} } },
    async () => upstreamResponse({ status: 401 }),
  )
  const never = Promise.withResolvers<undefined>()
  const body = requestBody({ whole: () => never.promise })
  const sent = send(exchangeRequest({ token: OLD, body }), exchange.signal)
  const reason = new Error('the client left')
  exchange.abort(reason)
  await expect(sent).rejects.toBe(reason)
})
