import { openSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { clientClosed, SidecarError } from '../../../src/errors.ts'
import {
  type AccessLog,
  type AccessLogOptions,
  createAccessLog,
} from '../../../src/observe/access-log.ts'
import { createLog } from '../../../src/observe/logger.ts'
import { forwardConfig } from '../../helpers/config-text.ts'
import { startServer } from '../../helpers/servers.ts'
import { startSidecar, temporaryDirectory } from '../../helpers/sidecar.ts'

type FinishedRequest = Parameters<AccessLog>[0]

const REQUEST: FinishedRequest = {
  method: 'GET',
  protocol: 'h2',
  path: '/orders/7',
  query: '?state=open',
  route: 'orders',
  status: 200,
  grpcStatus: undefined,
  durationMs: 12.345_678,
  tokenWaitMs: undefined,
  upstreamMs: 9.999,
  traceId: undefined,
  requestId: 'abc-1',
  tunnel: undefined,
  failure: undefined,
}

const LINE = {
  level: 'info',
  time: expect.any(String),
  message: 'request',
  route: 'orders',
  method: 'GET',
  protocol: 'h2',
  path: '/orders/7',
  status: 200,
  durationMs: 12.35,
  upstreamMs: 10,
  requestId: 'abc-1',
}

/** The lines that a request makes. */
async function linesOf(
  request: FinishedRequest,
  options: Partial<AccessLogOptions> = {},
): Promise<unknown[]> {
  const file = join(await temporaryDirectory(), 'log')
  const log = createLog({ level: 'debug', format: 'json', destination: openSync(file, 'a') })
  const all = { share: 1, slowMs: 0, withQuery: false, random: () => 0.5 }
  createAccessLog(log.logger, { ...all, ...options })(request)
  await log.drain(10_000)
  return parseLines(readFileSync(file, 'utf8'))
}

function parseLines(text: string): unknown[] {
  return text
    .split('\n')
    .filter(Boolean)
    .map((line): unknown => JSON.parse(line))
}

test('a request is one line', async () => {
  expect(await linesOf(REQUEST)).toEqual([LINE])
})

test('a gRPC call has its status in the line', async () => {
  expect(await linesOf({ ...REQUEST, grpcStatus: 14 })).toEqual([{ ...LINE, grpcStatus: 14 }])
})

test('a request that waited for a token says how long', async () => {
  expect(await linesOf({ ...REQUEST, tokenWaitMs: 3.456 })).toEqual([
    { ...LINE, tokenWaitMs: 3.46 },
  ])
})

test('without the access log, a request that went well is no line', async () => {
  expect(await linesOf(REQUEST, { share: 0 })).toEqual([])
})

test.for([1, 0.1, 0])(
  'where the share of logged requests is %d, one that failed is a warning with its reason',
  async (share) => {
    const failure = new SidecarError('upstream_timeout', 'Cannot wait any longer', {
      cause: new Error('canary'),
    })
    expect(await linesOf({ ...REQUEST, status: 504, failure }, { share })).toEqual([
      {
        ...LINE,
        level: 'warn',
        message: 'request failed',
        status: 504,
        code: 'upstream_timeout',
        reason: 'Cannot wait any longer',
      },
    ])
  },
)

test('of the ordinary requests a share is logged', async () => {
  expect(await linesOf(REQUEST, { share: 0.5, random: () => 0.49 })).toHaveLength(1)
  expect(await linesOf(REQUEST, { share: 0.5, random: () => 0.5 })).toHaveLength(0)
})

test.for([
  { slowMs: 12, lines: [{ ...LINE, level: 'warn', message: 'slow request' }] },
  { slowMs: 13, lines: [] },
  { slowMs: 0, lines: [] },
])(
  'a request of 12.35 ms is slow from $slowMs ms on, whatever the share',
  async ({ slowMs, lines }) => {
    expect(await linesOf(REQUEST, { share: 0, slowMs })).toEqual(lines)
  },
)

test('a tunnel that was open for long is not slow', async () => {
  const tunnel = { bytesToUpstream: 1, bytesToClient: 2, end: 'closed' }
  expect(await linesOf({ ...REQUEST, status: 101, tunnel }, { slowMs: 1 })).toEqual([
    { ...LINE, status: 101, ...tunnel },
  ])
})

test('the query is logged where that is asked for', async () => {
  expect(await linesOf(REQUEST, { withQuery: true })).toEqual([
    { ...LINE, path: '/orders/7?state=open' },
  ])
})

test('a client that went away is no warning', async () => {
  expect(await linesOf({ ...REQUEST, status: 499, failure: clientClosed() })).toEqual([
    { ...LINE, status: 499, code: 'client_closed' },
  ])
})

test('a fault of our own says where it comes from, but not what it quotes', async () => {
  const cause = new TypeError('Cannot read canary')
  const failure = new SidecarError('internal_error', 'Cannot handle the request', { cause })
  const lines = await linesOf({ ...REQUEST, status: 500, failure })
  expect(lines).toEqual([
    expect.objectContaining({
      level: 'warn',
      code: 'internal_error',
      stack: expect.stringMatching(/^TypeError\n {4}at .*access-log\.test\.ts/),
    }),
  ])
  expect(JSON.stringify(lines)).not.toContain('canary')
})

test('a request that no route claims has no route', async () => {
  const failure = new SidecarError('route_not_found', 'Cannot route the request')
  const request = { ...REQUEST, route: undefined, upstreamMs: undefined, status: 404, failure }
  const [line] = await linesOf(request)
  expect(line).not.toHaveProperty('route')
  expect(line).not.toHaveProperty('upstreamMs')
})

test('no query gets into the log, whether a request goes well or fails', async () => {
  const upstream = await startServer((_req, res) => void res.end())
  const sidecar = await startSidecar(forwardConfig(upstream).replace('path: /', 'path: /orders'))
  await fetch(`${sidecar.proxyUrl}/orders/7?key=canary`)
  await fetch(`${sidecar.proxyUrl}/elsewhere?key=canary`)
  await fetch(`${sidecar.proxyUrl}/orders/%2e%2e/7?key=canary`)
  const logs = await sidecar.logs()
  const paths = parseLines(logs).map((line) =>
    typeof line === 'object' && line !== null && 'path' in line ? line.path : undefined,
  )
  expect(paths).toEqual(expect.arrayContaining(['/orders/7', '/elsewhere']))
  expect(logs).not.toContain('canary')
})
