import { once } from 'node:events'
import { createServer, type ServerResponse } from 'node:http'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { runCommand, writeConfig } from '../../helpers/cli.ts'
import { endpointConfig, forwardConfig } from '../../helpers/config-text.ts'
import { startServer } from '../../helpers/servers.ts'
import { startSidecar, temporaryDirectory } from '../../helpers/sidecar.ts'

/** A configuration for `health` with this address of the admin listener. */
async function configFor(admin: string): Promise<string> {
  return await writeConfig(`admin: "${admin}"\n${forwardConfig('https://a.example')}`)
}

test('health succeeds for a running sidecar, with and without --ready', async () => {
  const { adminUrl } = await startSidecar(forwardConfig('https://a.example'))
  const file = await configFor(new URL(adminUrl).host)
  expect(await runCommand(['health', '-c', file])).toEqual({ code: 0, out: 'ok\n', err: '' })
  const { code, out } = await runCommand(['health', '--ready', '-c', file])
  expect(code).toBe(0)
  expect(JSON.parse(out)).toEqual({ ready: true, reasons: [] })
})

test('health --ready fails with the reason while a token is missing', async () => {
  const endpoint = await startServer((_req, res) => void res.writeHead(500).end())
  const sidecar = await startSidecar(endpointConfig({ endpoint, upstream: 'https://a.example' }))
  const file = await configFor(new URL(sidecar.adminUrl).host)
  expect(await runCommand(['health', '-c', file])).toMatchObject({ code: 0 })
  const { code, out } = await runCommand(['health', '--ready', '-c', file])
  expect(code).toBe(1)
  expect(JSON.parse(out)).toEqual({
    ready: false,
    reasons: [expect.stringContaining('token "corp"')],
  })
})

test('health connects to loopback for a wildcard address', async () => {
  const { adminUrl } = await startSidecar(forwardConfig('https://a.example'))
  const file = await configFor(`0.0.0.0:${new URL(adminUrl).port}`)
  expect(await runCommand(['health', '-c', file])).toMatchObject({ code: 0, out: 'ok\n' })
})

test('health connects to a Unix socket', async () => {
  const path = join(await temporaryDirectory(), 'admin.sock')
  const server = createServer((req, res) => void res.end(req.url))
  server.listen(path)
  await once(server, 'listening')
  onTestFinished(() => void server.close())
  const file = await configFor(`unix:${path}`)
  expect(await runCommand(['health', '-c', file])).toEqual({ code: 0, out: '/livez', err: '' })
})

test('health fails if the sidecar is not running', async () => {
  const { adminUrl, close } = await startSidecar(forwardConfig('https://a.example'))
  const file = await configFor(new URL(adminUrl).host)
  await close()
  expect(await runCommand(['health', '-c', file])).toEqual({
    code: 1,
    out: '',
    err: 'Cannot reach the admin listener: is the sidecar running with this configuration?\n',
  })
})

test('health fails if the connection is closed', async () => {
  const origin = await startServer((req) => req.socket.destroy())
  const file = await configFor(new URL(origin).host)
  expect(await runCommand(['health', '-c', file])).toMatchObject({ code: 1, out: '' })
})

test('health does not need the secrets', async () => {
  const { adminUrl } = await startSidecar(forwardConfig('https://a.example'))
  const file = await writeConfig(
    `admin: ${new URL(adminUrl).host}\n` +
      endpointConfig({
        endpoint: 'https://a.example/token',
        upstream: 'https://a.example',
      }).replace(/value: [^ }]+/, 'env: NOT_SET'),
  )
  expect(await runCommand(['health', '-c', file])).toMatchObject({ code: 0 })
})

test('health fails with an invalid configuration', async () => {
  expect(await runCommand(['health', '-c', await writeConfig('admin: x')])).toMatchObject({
    code: 3,
    out: '',
    err: expect.stringContaining(':1:8 admin: expected an address'),
  })
  expect(await runCommand(['health', '-c', '/no/such/file'])).toMatchObject({ code: 3 })
})

test.for([
  { what: 'never responds', respond: () => {} },
  {
    what: 'sends a part of its response',
    respond: (res: ServerResponse) => void res.writeHead(200, { 'content-length': 9 }).write('ok'),
  },
  {
    what: 'sends its response a byte at a time',
    respond(res: ServerResponse) {
      const timer = setInterval(() => void res.write('.'), 20)
      res.once('close', () => clearInterval(timer))
    },
  },
])('a sidecar whose admin listener $what is not well after 3 s', async ({ respond }) => {
  const url = await startServer((_req, res) => respond(res))
  expect(await runCommand(['health', '-c', await configFor(new URL(url).host)])).toEqual({
    code: 1,
    out: '',
    err: 'The admin listener did not respond: no response within 3 s\n',
  })
})

test('health limits the size of a response', async () => {
  const url = await startServer((_req, res) => {
    const send = (): void => {
      while (res.write('x'.repeat(64 * 1024)));
    }
    res.on('drain', send)
    send()
  })
  const { out } = await runCommand(['health', '-c', await configFor(new URL(url).host)])
  expect(out.length).toBeLessThan(2 * 1024 * 1024)
})

test('health fails if the connection is reset', async () => {
  const url = await startServer(({ socket }) => void socket.resetAndDestroy())
  expect(await runCommand(['health', '-c', await configFor(new URL(url).host)])).toMatchObject({
    code: 1,
    err: expect.stringContaining('Cannot reach the admin listener'),
  })
})
