import { rename, symlink, unlink, writeFile, mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import * as z from 'zod'
import { headersFrame, openFrameClient, requestFields } from '../helpers/http2-frames.ts'
import { startRawUpstream } from '../helpers/raw-http.ts'
import { startServer } from '../helpers/servers.ts'
import { type RunningProgram, startProgramAt, temporaryDirectory } from '../helpers/sidecar.ts'
import { sendToken, startTokenEndpoint } from '../helpers/token-endpoint.ts'
import { until } from '../helpers/wait.ts'

/** A program, and a function that replaces its configuration file. */
async function startReloading(yaml: string) {
  const file = join(await temporaryDirectory(), 'token-sidecar.yaml')
  const write = async (text: string): Promise<void> => {
    const whole = `listen: 127.0.0.1:0\nadmin: 127.0.0.1:0\n${text}`
    await writeFile(`${file}.new`, whole)
    await rename(`${file}.new`, file)
  }
  await write(yaml)
  const program = await startProgramAt(file, { SECRET: 's' })
  return { program, write, file }
}

function forwarding(upstream: string, more = ''): string {
  return `routes: [{ name: all, match: { path: / }, upstream: '${upstream}', credential: none }]\n${more}`
}

const STATUS = z.object({
  configuration: z.object({
    version: z.string(),
    loadedAt: z.string(),
    problems: z.array(z.string()),
  }),
})

async function configuration({ adminUrl }: RunningProgram) {
  return STATUS.parse(await (await fetch(`${adminUrl}/status`)).json()).configuration
}

async function metric({ adminUrl }: RunningProgram, sample: string): Promise<number> {
  const text = await (await fetch(`${adminUrl}/metrics`)).text()
  const line = text.split('\n').find((each) => each.startsWith(`${sample} `))
  return Number(line?.slice(sample.length + 1))
}

async function responseText({ proxyUrl }: RunningProgram): Promise<string> {
  return await (await fetch(proxyUrl)).text()
}

test('a changed configuration file is used for the next request, without a signal', async () => {
  const one = await startServer((_req, res) => void res.end('one'))
  const two = await startServer((_req, res) => void res.end('two'))
  const { program, write } = await startReloading(forwarding(one))
  const before = await configuration(program)
  expect(await responseText(program)).toBe('one')
  await write(forwarding(two))
  await until(async () => (await responseText(program)) === 'two')
  const after = await configuration(program)
  expect(after.version).not.toBe(before.version)
  expect(await metric(program, 'token_sidecar_config_reloads_total{outcome="success"}')).toBe(1)
  await until(() => program.output().includes('configuration reloaded'))
})

test('HTTP/2 connections stay open while the configuration is reloaded, and use the new one', async () => {
  const gate = Promise.withResolvers<void>()
  let isHeld = false
  const one = await startServer((_req, res) => {
    isHeld = true
    void gate.promise.then(() => res.end('one'))
  })
  const two = await startServer((_req, res) => void res.end('two'))
  const { program, write } = await startReloading(forwarding(one))
  const client = await openFrameClient(program.proxyUrl)
  client.send(headersFrame(1, requestFields()))
  await until(() => isHeld)
  await write(forwarding(two))
  await until(() => program.output().includes('configuration reloaded'))
  client.send(headersFrame(3, requestFields()))
  expect((await client.response(3)).content.toString()).toBe('two')
  gate.resolve()
  expect((await client.response(1)).content.toString()).toBe('one')
  expect(client.goaway()).toBeUndefined()
})

test('a ConfigMap update, which replaces a symbolic link, is detected', async () => {
  const one = await startServer((_req, res) => void res.end('one'))
  const two = await startServer((_req, res) => void res.end('two'))
  const directory = await temporaryDirectory()
  const publish = async (name: string, upstream: string): Promise<void> => {
    await mkdir(join(directory, name))
    const text = `listen: 127.0.0.1:0\nadmin: 127.0.0.1:0\n${forwarding(upstream)}`
    await writeFile(join(directory, name, 'token-sidecar.yaml'), text)
    await symlink(name, join(directory, '..data_tmp'))
    await rename(join(directory, '..data_tmp'), join(directory, '..data'))
  }
  await publish('..2026_1', one)
  const file = join(directory, 'token-sidecar.yaml')
  await symlink('..data/token-sidecar.yaml', file)
  const program = await startProgramAt(file)
  expect(await responseText(program)).toBe('one')
  await publish('..2026_2', two)
  await until(async () => (await responseText(program)) === 'two')
})

test('SIGHUP reloads the configuration, and logs if nothing has changed', async () => {
  const upstream = await startServer((_req, res) => void res.end('one'))
  const { program } = await startReloading(forwarding(upstream))
  program.process.kill('SIGHUP')
  await until(
    async () =>
      (await metric(program, 'token_sidecar_config_reloads_total{outcome="unchanged"}')) === 1,
  )
  expect(await responseText(program)).toBe('one')
})

test('an invalid configuration changes nothing, and is reported until it is fixed', async () => {
  const upstream = await startServer((_req, res) => void res.end('one'))
  const { program, write, file } = await startReloading(forwarding(upstream))
  const { version } = await configuration(program)
  await write(forwarding(upstream, 'forwrd: deny'))
  await until(async () => (await configuration(program)).problems.length > 0)
  expect(await configuration(program)).toMatchObject({
    version,
    problems: [`${file}:4:1 unknown key "forwrd"; did you mean "forward"?`],
  })
  expect(await metric(program, 'token_sidecar_config_reload_success')).toBe(0)
  await until(() => program.output().includes('did you mean'))
  expect(await responseText(program)).toBe('one')
  // SIGHUP logs the problems again.
  const reports = (): number => program.output().split('did you mean').length - 1
  const before = reports()
  program.process.kill('SIGHUP')
  await until(() => reports() > before)

  await write(forwarding(upstream, 'forward: deny'))
  await until(async () => (await configuration(program)).problems.length === 0)
  expect(await metric(program, 'token_sidecar_config_reload_success')).toBe(1)
})

test('a secret in the wrong place of a configuration appears in neither the log nor /status', async () => {
  const upstream = await startServer((_req, res) => void res.end('one'))
  const { program, write } = await startReloading(forwarding(upstream))
  for (const mistake of [
    'via: ${hunter2canary}',
    'hunter2canary: x',
    'forward: hunter2canary',
    'limits: { headers: hunter2canary }',
    'defaults: { routes: { hunter2canary: x } }',
  ]) {
    const reports = program.output().split('configuration not reloaded').length
    await write(forwarding(upstream, mistake))
    program.process.kill('SIGHUP')
    await until(() => program.output().split('configuration not reloaded').length > reports)
    expect((await configuration(program)).problems).toHaveLength(1)
    expect(JSON.stringify(await configuration(program))).not.toContain('hunter2')
  }
  expect(program.output()).not.toContain('hunter2')
})

test('a missing configuration file is reported by /status, and requests are still served', async () => {
  const upstream = await startServer((_req, res) => void res.end('one'))
  const { program, file } = await startReloading(forwarding(upstream))
  await unlink(file)
  program.process.kill('SIGHUP')
  await until(async () => (await configuration(program)).problems.length > 0)
  expect(await responseText(program)).toBe('one')
})

test('a changed setting that needs a restart is logged, and the other changes apply', async () => {
  const one = await startServer((_req, res) => void res.end('one'))
  const two = await startServer((_req, res) => void res.end('two'))
  const { program, file } = await startReloading(forwarding(one))
  await writeFile(file, `listen: 127.0.0.1:1\nadmin: 127.0.0.1:0\n${forwarding(two)}`)
  await until(async () => (await responseText(program)) === 'two')
  await until(() => program.output().includes('these settings need a restart to change'))
  expect(program.output()).toContain('"settings":["listen"]')
})

test('a request in flight is not affected by a reload', async () => {
  const gate = Promise.withResolvers<void>()
  const one = await startServer((_req, res) => {
    res.write('slow ')
    void gate.promise.then(() => res.end('one'))
  })
  const two = await startServer((_req, res) => void res.end('two'))
  const { program, write } = await startReloading(forwarding(one))
  const slow = await fetch(program.proxyUrl)
  await write(forwarding(two))
  await until(
    async () =>
      (await metric(program, 'token_sidecar_config_reloads_total{outcome="success"}')) === 1,
  )
  expect(await responseText(program)).toBe('two')
  gate.resolve()
  expect(await slow.text()).toBe('slow one')
})

function withCredentials(endpoint: string, upstream: string, more = ''): string {
  return `
credentials:
  corp:
    tokenEndpoint: ${endpoint}
    clientId: app
    auth: { clientSecret: { env: SECRET } }
routes:
  - { name: all, match: { path: / }, upstream: '${upstream}', credential: corp${more} }
`
}

test('frequent reloads under load cause no failure and no token request', async () => {
  const endpoint = await startTokenEndpoint((_request, res) => sendToken(res))
  const upstream = await startServer((_req, res) => void res.end('ok'))
  const variant = (number: number): string =>
    withCredentials(endpoint.url, upstream, `, headers: { set: { X-Version: v${number} } }`)
  const { program, write } = await startReloading(variant(0))
  await until(async () => (await fetch(`${program.adminUrl}/readyz`)).status === 200)

  const stopLoad = new AbortController()
  let served = 0
  const load = Array.from({ length: 8 }, async () => {
    while (!stopLoad.signal.aborted) {
      const response = await fetch(program.proxyUrl, { method: 'POST', body: 'x'.repeat(1000) })
      expect(await response.text()).toBe('ok')
      expect(response.status).toBe(200)
      served += 1
    }
  })
  const reloads = 'token_sidecar_config_reloads_total{outcome="success"}'
  for (let number = 1; number <= 12; number += 1) {
    await write(variant(number))
    await until(async () => (await metric(program, reloads)) >= number)
  }
  stopLoad.abort()
  await Promise.all(load)
  expect(served).toBeGreaterThan(100)
  expect(endpoint.requests).toHaveLength(1)
})

test('a reload fetches a new token only for a changed credential', async () => {
  const one = await startTokenEndpoint((_request, res) => sendToken(res))
  const two = await startTokenEndpoint((_request, res) => sendToken(res))
  const upstream = await startServer((_req, res) => void res.end('ok'))
  const text = (timeout: string): string => `
credentials:
  first:
    tokenEndpoint: ${one.url}
    clientId: app
    auth: { clientSecret: { env: SECRET } }
  second:
    tokenEndpoint: ${two.url}
    clientId: app
    auth: { clientSecret: { env: SECRET } }
    timeout: ${timeout}
routes:
  - { name: one, match: { path: /one }, upstream: '${upstream}', credential: first }
  - { name: two, match: { path: /two }, upstream: '${upstream}', credential: second }
`
  const { program, write } = await startReloading(text('9s'))
  await until(async () => (await fetch(`${program.adminUrl}/readyz`)).status === 200)
  await write(text('8s'))
  await until(() => two.requests.length === 2)
  expect(one.requests).toHaveLength(1)
})

test('a reload closes connections that no route uses any more', async () => {
  const one = await startRawUpstream((_received, socket) => {
    socket.write('HTTP/1.1 200 OK\r\nContent-Length: 3\r\nKeep-Alive: timeout=600\r\n\r\none')
  })
  const closed = Promise.withResolvers<unknown>()
  const watching = await startRawUpstream((_received, socket) => {
    socket.write('HTTP/1.1 200 OK\r\nContent-Length: 3\r\nKeep-Alive: timeout=600\r\n\r\nold')
    // Called for each request of the connection.
    socket.off('close', closed.resolve).on('close', closed.resolve)
  })
  const { program, write } = await startReloading(forwarding(watching.origin))
  expect(await responseText(program)).toBe('old')
  await write(forwarding(one.origin))
  await until(async () => (await responseText(program)) === 'one')
  await closed.promise
  expect(
    await metric(program, `token_sidecar_upstream_connections{upstream="${one.origin}"}`),
  ).toBe(1)
})

test('a reload keeps the rejections of an unchanged route, and clears them if its credential changes', async () => {
  const upstream = await startServer((_req, res) => void res.writeHead(403).end())
  const endpoint = await startTokenEndpoint((_request, res) => sendToken(res))
  const config = (scope: string, more = ''): string => `credentials:
  corp:
    tokenEndpoint: '${endpoint.url}'
    clientId: app
    scopes: [${scope}]
    auth: { method: client_secret_post, clientSecret: { env: SECRET } }
routes: [{ name: orders, match: { path: / }, upstream: '${upstream}', credential: corp }]
${more}`
  const { program, write } = await startReloading(config('read'))
  await responseText(program)
  const rejecting = 'token_sidecar_upstream_rejecting{route="orders"}'
  const success = 'token_sidecar_config_reloads_total{outcome="success"}'
  expect(await metric(program, rejecting)).toBe(1)
  await write(config('read', 'via: off'))
  await until(async () => (await metric(program, success)) === 1)
  expect(await metric(program, rejecting)).toBe(1)
  await write(config('write'))
  await until(async () => (await metric(program, success)) === 2)
  expect(await metric(program, rejecting)).toBe(0)
})
