import { once } from 'node:events'
import { request } from 'node:http'
import { expect, test } from 'vitest'
import { forwardConfig } from '../helpers/config-text.ts'
import { startServer } from '../helpers/servers.ts'
import { startSidecar } from '../helpers/sidecar.ts'

test('the head of a response is forwarded before its body', async () => {
  const gate = Promise.withResolvers<void>()
  const upstream = await startServer((_req, res) => {
    res.writeHead(200, { 'content-type': 'text/event-stream' }).flushHeaders()
    void gate.promise.then(() => res.end('data: 1\n\n'))
  })
  const sidecar = await startSidecar(forwardConfig(upstream))
  const response = await fetch(sidecar.proxyUrl)
  expect(response.headers.get('content-type')).toBe('text/event-stream')
  gate.resolve()
  expect(await response.text()).toBe('data: 1\n\n')
})

test('each event of an event stream is forwarded at once', async () => {
  const gates = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
  const upstream = await startServer((_req, res) => {
    void (async () => {
      for (const [index, gate] of gates.entries()) {
        await gate.promise
        res.write(`data: ${index}\n\n`)
      }
    })()
  })
  const sidecar = await startSidecar(forwardConfig(upstream))
  const pending = fetch(sidecar.proxyUrl)
  gates[0]?.resolve()
  const response = await pending
  const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader()
  expect((await reader?.read())?.value).toBe('data: 0\n\n')
  gates[1]?.resolve()
  expect((await reader?.read())?.value).toBe('data: 1\n\n')
  await reader?.cancel()
})

test('an upload is streamed to the upstream', async () => {
  const parts: string[] = []
  const arrived = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
  const upstream = await startServer((req, res) => {
    req.on('data', (part: Buffer) => {
      parts.push(part.toString())
      arrived[parts.length - 1]?.resolve()
    })
    req.on('end', () => void res.end('done'))
  })
  const sidecar = await startSidecar(forwardConfig(upstream))
  const upload = request(sidecar.proxyUrl, { method: 'POST' })
  const responded = once(upload, 'response')
  upload.write('one')
  await arrived[0]?.promise
  expect(parts).toEqual(['one'])
  upload.write('two')
  await arrived[1]?.promise
  upload.end()
  const [response] = await responded
  expect(response.statusCode).toBe(200)
  response.resume()
  expect(parts.join('')).toBe('onetwo')
})

test('connections to the upstream are reused, also after HEAD', async () => {
  const ports = new Set<number | undefined>()
  const upstream = await startServer((req, res) => {
    ports.add(req.socket.remotePort)
    res.end('ok')
  })
  const sidecar = await startSidecar(forwardConfig(upstream))
  for (let round = 0; round < 10; round += 1) {
    await (await fetch(sidecar.proxyUrl, { method: round % 2 === 0 ? 'GET' : 'HEAD' })).text()
  }
  expect(ports.size).toBe(1)
})
