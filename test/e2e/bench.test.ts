import { once } from 'node:events'
import { createServer, type RequestListener, request } from 'node:http'
import { beforeAll, expect, onTestFinished, test } from 'vitest'
import { bareDispatch } from '../../bench/contenders/bare-dispatch.ts'
import type { Contender, Setting } from '../../bench/contenders/contender.ts'
import { tokenSidecar } from '../../bench/contenders/token-sidecar.ts'
import { compare } from '../../bench/measure/compare.ts'
import { createLoads } from '../../bench/measure/loads.ts'
import type { CaseResult } from '../../bench/measure/result.ts'
import { SMALL_GET, type Workload } from '../../bench/measure/workload.ts'
import { RESPONSES } from '../../bench/stage/responses.ts'
import { setStage, type Stage } from '../../bench/stage/stage.ts'
import { unpinned } from '../../bench/system/cores.ts'
import { portOf } from '../helpers/servers.ts'

const TINY = { rounds: 1, seconds: 0.2, warmUpSeconds: 0.1 }

let stage: Stage

beforeAll(async () => {
  stage = await setStage({
    cores: unpinned('as many tests run at once'),
    tokenLifetimeSeconds: 300,
    onlyNode: true,
    signal: new AbortController().signal,
  })
  return async () => await stage.close()
})

async function measure(
  contenders: readonly Contender[],
  differs: Partial<Workload> = {},
  onStep: (step: { readonly round: number }) => void = () => {},
): Promise<CaseResult> {
  const variations = [{ label: '', workload: { ...SMALL_GET, connections: 4, ...differs } }]
  return await compare(
    { name: 'tiny', title: 'tiny', isQuick: true, variations },
    {
      stage,
      loads: await createLoads(stage, { onlyNode: true }),
      pace: TINY,
      contenders,
      onStep,
    },
  )
}

/** A contender within this process. */
function contenderOf(name: string, handlerOf: (setting: Setting) => RequestListener): Contender {
  return {
    name,
    about: 'made for a test',
    find: async () => ({ isFound: true, version: '1' }),
    async start(setting) {
      const server = createServer(handlerOf(setting)).listen(0, '127.0.0.1')
      onTestFinished(() => server.close().closeAllConnections())
      await once(server, 'listening')
      return {
        origin: `http://127.0.0.1:${portOf(server)}`,
        pids: [process.pid],
        stop: async () => {},
      }
    },
  }
}

/** Forwards each request with these header fields, and its response with this body. */
function forwarding(
  headersOf: (setting: Setting) => Record<string, string>,
  bodyOf: (body: Buffer) => Buffer = (body) => body,
) {
  return (setting: Setting): RequestListener =>
    (req, res) => {
      const upstream = request(setting.upstream.origin + req.url, {
        method: req.method,
        headers: { ...req.headers, ...headersOf(setting) },
      })
      req.pipe(upstream)
      upstream.on('response', (response) => {
        const chunks: Buffer[] = []
        response.on('data', (chunk: Buffer) => chunks.push(chunk))
        response.on('end', () => {
          const body = bodyOf(Buffer.concat(chunks))
          res.writeHead(response.statusCode ?? 0, { 'content-length': body.length }).end(body)
        })
      })
    }
}

const authorize = ({ token }: Setting) => ({ authorization: `Bearer ${token}` })

test('the benchmark measures the sidecar and the bare loop in separate processes', async () => {
  const { entries } = await measure([tokenSidecar, bareDispatch])
  expect(entries).toEqual(
    ['token-sidecar', 'bare-dispatch'].map((contender) => ({
      contender,
      label: '',
      rounds: [
        expect.objectContaining({
          requests: expect.toSatisfy((requests: number) => requests > 0),
          cpuMicros: expect.any(Number),
          residentBytes: expect.toSatisfy((bytes: number) => bytes > 10_000_000),
        }),
      ],
    })),
  )
})

test.for<{ what: string; differs: Partial<Workload> }>([
  { what: 'large responses', differs: { response: 'mebibyte' } },
  {
    what: 'bodies, many header fields and TLS to the upstream',
    differs: { method: 'POST', bodyBytes: 100_000, headers: 20, upstreamTls: true },
  },
])('the sidecar and the bare loop can be measured with $what', async ({ differs }) => {
  const { entries } = await measure([tokenSidecar, bareDispatch], differs)
  expect(entries.map(({ failure }) => failure)).toEqual([undefined, undefined])
})

test('at a fixed rate the sidecar receives every scheduled request', async () => {
  const { entries } = await measure([tokenSidecar], { perSecond: 1000 })
  expect(entries[0]?.rounds).toEqual([
    expect.objectContaining({
      requests: 400,
      p50Ms: expect.toSatisfy((ms: number) => ms > 0),
      p99Ms: expect.toSatisfy((ms: number) => ms > 0),
    }),
  ])
})

test('at a fixed rate latency counts from the scheduled time of a request', async () => {
  // The server handles a fifth of the rate: the last request is due after 0.4 s, its response comes after 2 s.
  const slow = contenderOf('slow', (setting) => {
    const forward = forwarding(() => authorize(setting))(setting)
    let freeAtMs = 0
    return (req, res) => {
      freeAtMs = Math.max(freeAtMs, performance.now()) + 5
      const respond = (): void => {
        // The warm-up ends with requests in flight.
        if (!res.destroyed) forward(req, res)
      }
      setTimeout(respond, freeAtMs - performance.now())
    }
  })
  const { entries } = await measure([slow], { perSecond: 1000 })
  expect(entries[0]?.rounds[0]?.requests).toBe(400)
  expect(entries[0]?.rounds[0]?.p99Ms).toBeGreaterThan(1_500)
})

test('a contender that does not support a case is skipped, not failed', async () => {
  const { entries } = await measure([bareDispatch], { routes: 200 })
  expect(entries).toEqual([
    { contender: 'bare-dispatch', label: '', rounds: [], leftOut: 'it has no routes' },
  ])
})

test.for([
  {
    cheat: 'forwards requests without a token',
    handlerOf: forwarding(() => ({})),
    failure: 'the probe received status 401',
  },
  {
    cheat: 'sends an invalid token',
    handlerOf: forwarding(() => ({ authorization: 'Bearer x' })),
    failure: 'the probe received status 401',
  },
  {
    cheat: 'responds without the upstream',
    handlerOf: () => (_req, res) => void res.end(RESPONSES.small.body),
    failure: 'the request did not reach the upstream',
  },
  {
    cheat: 'truncates responses',
    handlerOf: forwarding(authorize, (body) => (body.length === 100 ? body.subarray(1) : body)),
    failure: 'the response has another body, of 99 bytes',
  },
] satisfies { cheat: string; handlerOf: (setting: Setting) => RequestListener; failure: string }[])(
  'a contender that $cheat is reported as failed, without results',
  async ({ handlerOf, failure }) => {
    const { entries } = await measure([contenderOf('cheat', handlerOf)])
    expect(entries).toEqual([{ contender: 'cheat', label: '', rounds: [], failure }])
  },
)

test('a contender that omits the token only during the measurement is reported as failed', async () => {
  let isMeasured = false
  const cheat = contenderOf('cheat', (setting) =>
    forwarding(() => (isMeasured ? {} : authorize(setting)))(setting),
  )
  const { entries } = await measure([cheat], {}, ({ round }) => {
    isMeasured = round > 0
  })
  expect(entries[0]?.failure).toMatch(/× a response with status 401/)
})
