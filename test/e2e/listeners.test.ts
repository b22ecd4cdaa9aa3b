import { once } from 'node:events'
import { request } from 'node:http'
import { connect as connectHttp2 } from 'node:http2'
import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { expect, onTestFinished, test } from 'vitest'
import { createAuthority } from '../helpers/certificates.ts'
import { forwardConfig } from '../helpers/config-text.ts'
import { fileWith } from '../helpers/credential-call.ts'
import { openRaw } from '../helpers/raw-connection.ts'
import { exchangeRaw } from '../helpers/raw-http.ts'
import { startServer } from '../helpers/servers.ts'
import { startProgramAt, startSidecar, temporaryDirectory } from '../helpers/sidecar.ts'
import { until } from '../helpers/wait.ts'
import { writeConfig } from '../helpers/cli.ts'

const TWO = '[{ name: app, address: "127.0.0.1:0" }, { name: other, address: "127.0.0.1:0" }]'

test('each listener of a list serves the routes', async () => {
  const api = await startServer((req, res) => void res.end(req.url))
  const sidecar = await startSidecar(forwardConfig(api), {}, TWO)
  for (const name of ['app', 'other']) {
    expect(await (await fetch(`${sidecar.urlOf(name)}/${name}`)).text()).toBe(`/${name}`)
  }
  expect(sidecar.proxyUrl).toBe(sidecar.urlOf('app'))
  expect(sidecar.urlOf('other')).not.toBe(sidecar.urlOf('app'))
})

test('a listener with TLS and one on a Unix socket serve beside one on a TCP port', async () => {
  const authority = await createAuthority()
  const { certificate, key } = await authority.issue('sidecar', ['127.0.0.1'])
  const [cert, keyFile] = [await fileWith(certificate), await fileWith(key)]
  const socketPath = join(await temporaryDirectory(), 'app.sock')
  const api = await startServer((req, res) => {
    void res.end(`${req.url} ${String(req.headers['x-forwarded-proto'])}`)
  })
  const listen = JSON.stringify([
    { name: 'plain', address: '127.0.0.1:0' },
    {
      name: 'secure',
      address: '127.0.0.1:0',
      tls: { cert: { file: cert }, key: { file: keyFile } },
    },
    { name: 'local', address: { unix: socketPath, mode: '0600' } },
  ])
  const sidecar = await startSidecar(forwardConfig(api, 'forwarded: x-forwarded'), {}, listen)

  expect(await (await fetch(`${sidecar.urlOf('plain')}/a`)).text()).toBe('/a http')
  const session = connectHttp2(sidecar.urlOf('secure'), { ca: authority.certificate })
  onTestFinished(() => session.destroy())
  expect(await text(session.request({ ':path': '/b' }))).toBe('/b https')
  const req = request({ socketPath, path: '/c', headers: { host: 'localhost' } }).end()
  const [response] = await once(req, 'response')
  expect(await text(response)).toBe('/c http')
  expect((await stat(socketPath)).mode & 0o777).toBe(0o600)
  expect(sidecar.urlOf('local')).toBe(`unix:${socketPath}`)
})

test('/status and the log line "listening" have the URL of every listener', async () => {
  const file = await writeConfig(
    `listen: ${TWO}\nadmin: 127.0.0.1:0\n${forwardConfig('https://a.example')}`,
  )
  const program = await startProgramAt(file)
  const status = await (await fetch(`${program.adminUrl}/status`)).text()
  const { listeners }: { listeners: { name: string; url: string }[] } = JSON.parse(status)
  expect(listeners.map(({ name }) => name)).toEqual(['app', 'other'])
  expect(listeners[0]?.url).toBe(program.proxyUrl)
  expect(program.output()).toContain(`"listeners":${JSON.stringify(listeners)}`)
})

test('limits.connections applies to the connections of all listeners together', async () => {
  const sidecar = await startSidecar(
    `${forwardConfig('http://127.0.0.1:1')}\nlimits: { connections: 1 }`,
    {},
    TWO,
  )
  const first = await openRaw(sidecar.urlOf('app'))
  const get = 'GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n'
  const response = await exchangeRaw(sidecar.urlOf('other'), get)
  expect(response).toContain('"code":"too_many_connections"')
  first.socket.destroy()
  await until(async () => (await exchangeRaw(sidecar.urlOf('other'), get)).includes(' 502 '))
})

test('connections beyond the surplus of all listeners are closed at once', async () => {
  const sidecar = await startSidecar(
    `${forwardConfig('http://127.0.0.1:1')}\nlimits: { connections: 1 }`,
    {},
    TWO,
  )
  await openRaw(sidecar.urlOf('app'))
  await openRaw(sidecar.urlOf('other'))
  for (const name of ['app', 'other']) {
    const { ended } = await openRaw(sidecar.urlOf(name))
    await ended
  }
  expect(await sidecar.logs()).toContain('too many connections: new ones are closed')
})

test('the other listeners are closed if one cannot be opened', async () => {
  const taken = await startServer((_req, res) => void res.end())
  const path = join(await temporaryDirectory(), 'app.sock')
  const listen = JSON.stringify([
    { name: 'app', address: { unix: path } },
    { name: 'other', address: new URL(taken).host },
  ])
  await expect(startSidecar(forwardConfig(taken.replace(/\d+$/, '1')), {}, listen)).rejects.toThrow(
    'EADDRINUSE',
  )
  await expect(stat(path)).rejects.toThrow('ENOENT')
})

test('a shutdown lets the requests of every listener finish', async () => {
  const gate = Promise.withResolvers<void>()
  let arrived = 0
  const api = await startServer((_req, res) => {
    arrived += 1
    void gate.promise.then(() => res.end('done'))
  })
  const sidecar = await startSidecar(forwardConfig(api), {}, TWO)
  const responses = ['app', 'other'].map(
    async (name) => await (await fetch(sidecar.urlOf(name))).text(),
  )
  await until(() => arrived === 2)
  const closed = sidecar.close()
  for (const name of ['app', 'other']) {
    await until(async () => await isRefused(sidecar.urlOf(name)))
  }
  gate.resolve()
  expect(await Promise.all(responses)).toEqual(['done', 'done'])
  await closed
})

test('each listener accepts the host of its own address', async () => {
  const api = await startServer((_req, res) => void res.end('served'))
  const listen = '[{ name: app, address: "127.0.0.1:0" }, { name: any, address: "0.0.0.0:0" }]'
  const sidecar = await startSidecar(forwardConfig(api), {}, listen)
  const get = 'GET / HTTP/1.1\r\nHost: unknown.example\r\nConnection: close\r\n\r\n'
  const port = new URL(sidecar.urlOf('any')).port
  expect(await exchangeRaw(sidecar.urlOf('app'), get)).toContain('"code":"egress_denied"')
  expect(await exchangeRaw(`http://127.0.0.1:${port}`, get)).toContain('served')
})

async function isRefused(origin: string): Promise<boolean> {
  return await openRaw(origin).then(
    () => false,
    () => true,
  )
}
