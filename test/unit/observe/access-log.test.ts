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
  mode: 'base_url',
  path: '/orders/7',
  query: '?state=open',
  listener: undefined,
  caller: undefined,
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
  mode: 'base_url',
  path: '/orders/7',
  status: 200,
  durationMs: 12.35,
  upstreamMs: 10,
  requestId: 'abc-1',
}

/** The log lines of a request. */
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

test('a request is logged as one line', async () => {
  expect(await linesOf(REQUEST)).toEqual([LINE])
})

test('the log line of a gRPC call has its status', async () => {
  expect(await linesOf({ ...REQUEST, grpcStatus: 14 })).toEqual([{ ...LINE, grpcStatus: 14 }])
})

test('the log line of a request that waited for a token has tokenWaitMs', async () => {
  expect(await linesOf({ ...REQUEST, tokenWaitMs: 3.456 })).toEqual([
    { ...LINE, tokenWaitMs: 3.46 },
  ])
})

test('without the access log, a successful request is not logged', async () => {
  expect(await linesOf(REQUEST, { share: 0 })).toEqual([])
})

test.for([1, 0.1, 0])(
  'with log.sample: %d, a failed request is logged as a warning with its reason',
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

test('successful requests are sampled', async () => {
  expect(await linesOf(REQUEST, { share: 0.5, random: () => 0.49 })).toHaveLength(1)
  expect(await linesOf(REQUEST, { share: 0.5, random: () => 0.5 })).toHaveLength(0)
})

test.for([
  { slowMs: 12, lines: [{ ...LINE, level: 'warn', message: 'slow request' }] },
  { slowMs: 13, lines: [] },
  { slowMs: 0, lines: [] },
])(
  'with log.slow: $slowMs ms, a request of 12.35 ms that is not sampled is logged as $lines',
  async ({ slowMs, lines }) => {
    expect(await linesOf(REQUEST, { share: 0, slowMs })).toEqual(lines)
  },
)

test('a long-lived tunnel is not logged as slow', async () => {
  const tunnel = { bytesToUpstream: 1, bytesToClient: 2, end: 'closed' }
  expect(await linesOf({ ...REQUEST, status: 101, tunnel }, { slowMs: 1 })).toEqual([
    { ...LINE, status: 101, ...tunnel },
  ])
})

test('the query is logged with log.query', async () => {
  expect(await linesOf(REQUEST, { withQuery: true })).toEqual([
    { ...LINE, path: '/orders/7?state=open' },
  ])
})

test('a client that disconnects is not logged as a warning', async () => {
  expect(await linesOf({ ...REQUEST, status: 499, failure: clientClosed() })).toEqual([
    { ...LINE, status: 499, code: 'client_closed' },
  ])
})

test('an internal error is logged with its stack, without its message', async () => {
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

test('the log line of a request without a route has no route', async () => {
  const failure = new SidecarError('route_not_found', 'Cannot route the request')
  const request = { ...REQUEST, route: undefined, upstreamMs: undefined, status: 404, failure }
  const [line] = await linesOf(request)
  expect(line).not.toHaveProperty('route')
  expect(line).not.toHaveProperty('upstreamMs')
})

test('the log contains no query of successful, unrouted or rejected requests', async () => {
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
