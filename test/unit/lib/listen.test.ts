import { once } from 'node:events'
import { mkdir, readFile, stat, writeFile } from 'node:fs/promises'
import { createServer, get, type IncomingMessage, type Server } from 'node:http'
import { createServer as createSocketServer } from 'node:net'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { expect, onTestFinished, test } from 'vitest'
import { systemClock } from '../../../src/lib/clock.ts'
import { type Address, listen, type Listener } from '../../../src/lib/listen.ts'
import { temporaryDirectory } from '../../helpers/sidecar.ts'

async function listenAt(address: Address, body = 'hello'): Promise<Listener & { server: Server }> {
  const server = createServer((_req, res) => void res.end(body))
  const listener = await listen(server, address, systemClock)
  onTestFinished(async () => {
    if (server.listening) await listener.close(0)
  })
  return { ...listener, server }
}

async function bodyOf(request: ReturnType<typeof get>): Promise<string> {
  const [response]: IncomingMessage[] = await once(request, 'response')
  return response === undefined ? '' : await text(response)
}

test('the URL of a listener on port 0 contains its actual port', async () => {
  const { url } = await listenAt({ kind: 'tcp', host: '127.0.0.1', port: 0 })
  expect(url).toMatch(/^http:\/\/127\.0\.0\.1:[1-9]\d*$/)
  expect(await bodyOf(get(url))).toBe('hello')
})

test('the URL of an IPv6 listener has its address in brackets', async () => {
  const { url } = await listenAt({ kind: 'tcp', host: '::1', port: 0 })
  expect(url).toMatch(/^http:\/\/\[::1\]:[1-9]\d*$/)
  expect(await bodyOf(get(url))).toBe('hello')
})

test('listening on a port in use fails with EADDRINUSE', async () => {
  const { server } = await listenAt({ kind: 'tcp', host: '127.0.0.1', port: 0 })
  const bound = server.address()
  const port = typeof bound === 'object' ? (bound?.port ?? 0) : 0
  await expect(listenAt({ kind: 'tcp', host: '127.0.0.1', port })).rejects.toMatchObject({
    code: 'EADDRINUSE',
  })
})

test('a Unix socket has the configured mode', async () => {
  const path = join(await temporaryDirectory(), 'app.sock')
  const { url } = await listenAt({ kind: 'unix', path, mode: 0o660 })
  expect(url).toBe(`unix:${path}`)
  expect((await stat(path)).mode & 0o777).toBe(0o660)
  expect(await bodyOf(get({ socketPath: path }))).toBe('hello')
})

test('listening on a Unix socket in use fails with EADDRINUSE, and the socket still works', async () => {
  const path = join(await temporaryDirectory(), 'app.sock')
  await listenAt({ kind: 'unix', path, mode: 0o660 })
  await expect(listenAt({ kind: 'unix', path, mode: 0o660 })).rejects.toMatchObject({
    code: 'EADDRINUSE',
  })
  expect(await bodyOf(get({ socketPath: path }))).toBe('hello')
})

test('a Unix socket of a server without HTTP is detected as in use', async () => {
  const path = join(await temporaryDirectory(), 'app.sock')
  const other = createSocketServer((socket) => socket.destroy())
  other.listen(path)
  await once(other, 'listening')
  onTestFinished(() => void other.close())
  await expect(listenAt({ kind: 'unix', path, mode: 0o660 })).rejects.toMatchObject({
    code: 'EADDRINUSE',
  })
})

test('a file that is not a socket is not replaced', async () => {
  const path = join(await temporaryDirectory(), 'notes.txt')
  await writeFile(path, 'precious')
  await expect(listenAt({ kind: 'unix', path, mode: 0o660 })).rejects.toMatchObject({
    code: 'EADDRINUSE',
  })
  expect(await readFile(path, 'utf8')).toBe('precious')
})

test('a directory is not replaced by a Unix socket', async () => {
  const path = join(await temporaryDirectory(), 'folder')
  await mkdir(path)
  await expect(listenAt({ kind: 'unix', path, mode: 0o660 })).rejects.toMatchObject({
    code: 'EADDRINUSE',
  })
  expect((await stat(path)).isDirectory()).toBe(true)
})

test('listening on a Unix socket in a missing directory fails', async () => {
  const path = join(await temporaryDirectory(), 'none', 'app.sock')
  await expect(listenAt({ kind: 'unix', path, mode: 0o660 })).rejects.toThrow(/EACCES|ENOENT/)
})

test('close waits for a request in flight, and does not accept new connections', async () => {
  const arrived = Promise.withResolvers<() => void>()
  const server = createServer((_req, res) => arrived.resolve(() => void res.end('done')))
  const listener = await listen(server, { kind: 'tcp', host: '127.0.0.1', port: 0 }, systemClock)
  const running = bodyOf(get(listener.url, { agent: false }))
  const finish = await arrived.promise
  const closing = listener.close(60_000)
  await expect(bodyOf(get(listener.url))).rejects.toMatchObject({ code: 'ECONNREFUSED' })
  finish()
  expect(await running).toBe('done')
  await closing
})

test('close aborts requests in flight at the deadline', async () => {
  const arrived = Promise.withResolvers<void>()
  const server = createServer(() => arrived.resolve())
  const listener = await listen(server, { kind: 'tcp', host: '127.0.0.1', port: 0 }, systemClock)
  const running = bodyOf(get(listener.url))
  const outcome = running.then(
    () => 'complete',
    () => 'aborted',
  )
  await arrived.promise
  await listener.close(1)
  expect(await outcome).toBe('aborted')
})
