import { existsSync, readFileSync, statSync } from 'node:fs'
import { request } from 'node:http'
import { connect } from 'node:net'
import { join } from 'node:path'
import { once } from 'node:events'
import { expect, onTestFinished, test } from 'vitest'
import { runProgram, writeConfig } from '../helpers/cli.ts'
import { forwardConfig } from '../helpers/config-text.ts'
import { exchangeRaw } from '../helpers/raw-http.ts'
import { processSettings } from '../helpers/schema-settings.ts'
import { startServer } from '../helpers/servers.ts'
import { type RunningSidecar, startSidecar, temporaryDirectory } from '../helpers/sidecar.ts'
import { until } from '../helpers/wait.ts'

/*
 * Every setting outside of credentials and routes has an observable effect. The settings are derived from
 * the schema, so that a new one without a probe fails.
 */

type Lines = Readonly<Record<string, unknown>>

/** Two configurations that differ in one setting only. */
type Probe = {
  readonly base?: Lines
  readonly changed: Lines
  /** The target and the fields of the request; `API` is the address of the API. */
  readonly target?: string
  readonly fields?: Readonly<Record<string, string>>
}

const PROBES: Readonly<Record<string, Probe>> = {
  forward: {
    changed: { forward: 'pass' },
    target: 'http://API/passed',
    fields: { host: 'API' },
  },
  'access.hosts': {
    changed: { access: { hosts: ['billing.internal'] } },
    fields: { host: 'billing.internal' },
  },
  'access.origins': {
    changed: { access: { origins: ['http://localhost:3000'] } },
    fields: { origin: 'http://localhost:3000' },
  },
  via: { changed: { via: 'off' } },
  'limits.headers': {
    changed: { limits: { headers: '1KiB' } },
    fields: { 'x-long': 'a'.repeat(2000) },
  },
  'log.access': { changed: { log: { access: 'off' } } },
  'log.sample': { changed: { log: { sample: 0 } } },
  // The API takes longer than 1 ms.
  'log.slow': { changed: { log: { slow: '1ms' } } },
  'log.query': { changed: { log: { query: true } } },
}

/** Settings of shutdown and timeouts, with the tests that set them. */
const TESTED_ELSEWHERE: Readonly<Record<string, string>> = {
  'forward.mode': 'test/e2e/egress-proxy.test.ts',
  'forward.proxy': 'test/e2e/egress-proxy.test.ts',
  'forward.proxy.password': 'test/e2e/egress-proxy.test.ts',
  'forward.proxy.tls.ca': 'test/e2e/egress-proxy.test.ts',
  'forward.proxy.url': 'test/e2e/egress-proxy.test.ts',
  'forward.proxy.username': 'test/e2e/egress-proxy.test.ts',
  'intercept.bundle.password': 'test/e2e/certificate-authority.test.ts',
  'intercept.bundle.pem': 'test/e2e/certificate-authority.test.ts',
  'intercept.bundle.pkcs12': 'test/e2e/certificate-authority.test.ts',
  'intercept.ca.cert': 'test/e2e/transparent-listener.test.ts',
  'intercept.ca.directory': 'test/e2e/certificate-authority.test.ts',
  'intercept.ca.key': 'test/e2e/transparent-listener.test.ts',
  'limits.headersTimeout': 'test/e2e/stalls.test.ts',
  'listen.address': 'test/e2e/listeners.test.ts',
  'listen.address.mode': 'test/e2e/listeners.test.ts',
  'listen.address.unix': 'test/e2e/listeners.test.ts',
  'listen.auth.basic': 'test/e2e/caller-authentication.test.ts',
  'listen.auth.clientCertificates.commonNames': 'test/e2e/client-certificates.test.ts',
  'listen.auth.clientCertificates.dnsNames': 'test/e2e/client-certificates.test.ts',
  'listen.auth.clientCertificates.uris': 'test/e2e/client-certificates.test.ts',
  'listen.name': 'test/e2e/listeners.test.ts',
  'listen.tls.cert': 'test/e2e/listener-tls.test.ts',
  'listen.tls.clientCa': 'test/e2e/listener-tls.test.ts',
  'listen.tls.key': 'test/e2e/listener-tls.test.ts',
  'shutdown.deadline': 'test/e2e/shutdown.test.ts',
  'shutdown.delay': 'test/e2e/shutdown.test.ts',
  'shutdown.upgraded': 'test/e2e/shutdown.test.ts',
  'tokenStore.allowPlaintext': 'test/e2e/token-store-settings.test.ts',
  'tokenStore.keys': 'test/helpers/fleet.ts',
  'tokenStore.mode': 'test/e2e/token-store-settings.test.ts',
  'tokenStore.password': 'test/e2e/token-store-settings.test.ts',
  'tokenStore.prefix': 'test/e2e/token-store-settings.test.ts',
  'tokenStore.primary': 'test/e2e/token-store-settings.test.ts',
  'tokenStore.timeout': 'test/e2e/token-store-settings.test.ts',
  'tokenStore.tls.ca': 'test/e2e/token-store-settings.test.ts',
  'tokenStore.tls.client.certificate': 'test/e2e/token-store-settings.test.ts',
  'tokenStore.tls.client.key': 'test/e2e/token-store-settings.test.ts',
  'tokenStore.tls.minVersion': 'test/e2e/token-store-settings.test.ts',
  'tokenStore.tls.serverName': 'test/e2e/token-store-settings.test.ts',
  'tokenStore.url': 'test/helpers/fleet.ts',
  'tokenStore.username': 'test/e2e/token-store-settings.test.ts',
}

/** Settings with a separate test below. */
const TESTED_BELOW = [
  'admin',
  'admin.mode',
  'admin.unix',
  'limits.connections',
  'limits.keepAlive',
  'listen',
  'listen.mode',
  'listen.unix',
  'log.format',
  'log.level',
  'shutdown.quit',
]

test('every setting outside of credentials and routes has a probe or a test', () => {
  const tested = [...Object.keys(PROBES), ...Object.keys(TESTED_ELSEWHERE), ...TESTED_BELOW]
  expect(processSettings().length).toBeGreaterThan(20)
  expect(processSettings().toSorted()).toEqual(tested.toSorted())
})

test.for(Object.entries(TESTED_ELSEWHERE))('%s is set by a test in %s', ([setting, file]) => {
  expect(readFileSync(file, 'utf8')).toContain(`${setting.split('.').at(-1)}: `)
})

function linesOf(top: Lines): string {
  return Object.entries(top)
    .map(([key, value]) => `${key}: ${JSON.stringify(value)}\n`)
    .join('')
}

/** What the client, the API and the log show of one request. */
async function effectsOf(top: Lines, { target = '/orders?a=b', fields = {} }: Probe) {
  const received: unknown[] = []
  const api = await startServer((req, res) => {
    received.push([req.url, req.headers])
    setTimeout(() => res.end('done'), 5)
  })
  const { host } = new URL(api)
  const sidecar = await startSidecar(
    linesOf(top) + forwardConfig(api).replace('path: /', 'path: /orders'),
  )
  const lines = Object.entries({ host: 'localhost', connection: 'close', ...fields }).map(
    ([name, value]) => `${name}: ${value}\r\n`,
  )
  const head = `GET ${target} HTTP/1.1\r\n${lines.join('')}\r\n`.replaceAll('API', host)
  const [status] = (await exchangeRaw(sidecar.proxyUrl, head)).split('\r\n')
  await sidecar.close()
  const log = (await sidecar.logs()).match(/"(?:message|path|query|route)":"[^"]*"/g)
  return JSON.stringify({ status, received, log }).replaceAll(host, 'API')
}

test.for(Object.entries(PROBES))(
  '%s changes what the client, the API or the log shows',
  async ([, probe]) => {
    const first = await effectsOf(probe.base ?? {}, probe)
    expect(await effectsOf(probe.base ?? {}, probe)).toBe(first)
    expect(await effectsOf({ ...probe.base, ...probe.changed }, probe)).not.toBe(first)
  },
)

test.for(['listen', 'admin'] as const)(
  '%s sets the address of a listener, and the mode of its Unix socket',
  async (name) => {
    const api = await startServer((_req, res) => void res.end())
    const addressWith = async (address: string): Promise<string> => {
      const [listen, admin] = name === 'listen' ? [address, undefined] : [undefined, address]
      const sidecar = await startSidecar(forwardConfig(api), {}, listen, admin)
      return name === 'listen' ? sidecar.proxyUrl : sidecar.adminUrl
    }
    const directory = await temporaryDirectory()
    const [one, other] = [join(directory, 'one'), join(directory, 'other')]
    expect(await addressWith('127.0.0.1:0')).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/)
    expect(await addressWith(`{ unix: ${one}, mode: "0600" }`)).toBe(`unix:${one}`)
    expect(await addressWith(`{ unix: ${other}, mode: "0666" }`)).toBe(`unix:${other}`)
    expect(statSync(one).mode & 0o777).toBe(0o600)
    expect(statSync(other).mode & 0o777).toBe(0o666)
  },
)

/** A client connection that is idle after one request. */
async function connectIdle({ proxyUrl }: RunningSidecar) {
  const { hostname, port } = new URL(proxyUrl)
  const socket = connect(Number(port), hostname)
  onTestFinished(() => void socket.destroy())
  socket.write('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n')
  await once(socket, 'data')
  return socket
}

test.for([
  { connections: 1, status: 503 },
  { connections: 2, status: 200 },
])('with limits.connections: $connections, the second connection gets $status', async (given) => {
  const api = await startServer((_req, res) => void res.end())
  const limits = { connections: given.connections }
  const sidecar = await startSidecar(linesOf({ limits }) + forwardConfig(api))
  await connectIdle(sidecar)
  expect((await fetch(sidecar.proxyUrl)).status).toBe(given.status)
})

test('limits.keepAlive limits how long an idle connection stays open', async () => {
  const api = await startServer((_req, res) => void res.end())
  const startWith = async (keepAlive: string) =>
    await startSidecar(linesOf({ limits: { keepAlive } }) + forwardConfig(api))
  const [long, short] = [await startWith('1h'), await startWith('50ms')]
  // With the same limit for both, the connection that was opened first would be closed first.
  const open = await connectIdle(long)
  const closed = await connectIdle(short)
  await once(closed.resume(), 'close')
  expect(open.closed).toBe(false)
})

/** What the program writes to standard output until `POST /quit` or a signal ends it. */
async function outputWith(top: Lines): Promise<string> {
  const directory = await temporaryDirectory()
  const admin = join(directory, 'admin')
  const listen = `unix:${join(directory, 'listen')}`
  const file = await writeConfig(
    linesOf({ listen, admin: `unix:${admin}`, shutdown: { quit: true }, ...top }) +
      forwardConfig('http://127.0.0.1:1'),
  )
  const run = runProgram(['run', '-c', file])
  await until(() => existsSync(admin))
  await postQuit(admin)
  return (await run).out
}

async function postQuit(socketPath: string): Promise<number | undefined> {
  const sent = request({
    socketPath,
    path: '/quit',
    method: 'POST',
    headers: { host: 'localhost' },
  })
  const { promise, resolve, reject } = Promise.withResolvers<number | undefined>()
  sent.on('response', (res) => resolve(res.resume().statusCode)).on('error', reject)
  sent.end()
  return await promise
}

test('log.level selects the lines, log.format their form, and shutdown.quit allows POST /quit', async () => {
  expect(await outputWith({ log: { format: 'json' } })).toMatch(/^\{.*"message":"listening"\}$/m)
  expect(await outputWith({ log: { format: 'json', level: 'error' } })).toBe('')
  expect(await outputWith({ log: { format: 'pretty' } })).toMatch(/^[^{].*listening/m)
})

test('without shutdown.quit, POST /quit gets a 403', async () => {
  const admin = join(await temporaryDirectory(), 'admin')
  const sidecar = await startSidecar(
    forwardConfig('http://127.0.0.1:1'),
    {},
    undefined,
    `unix:${admin}`,
  )
  expect(await postQuit(admin)).toBe(403)
  expect((await fetch(sidecar.proxyUrl)).status).toBe(502)
})
