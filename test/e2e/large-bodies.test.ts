import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { request } from 'node:http'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { expect, test } from 'vitest'
import { forwardConfig } from '../helpers/config-text.ts'
import { startServer } from '../helpers/servers.ts'
import { startProgram } from '../helpers/sidecar.ts'
import { until } from '../helpers/wait.ts'

const MIB = 1024 ** 2
const GIB = 1024 * MIB
/** How much memory may grow during a transfer. */
const MAX_GROWTH_BYTES = 120 * MIB

const chunk = randomBytes(MIB)

function* chunks(bytes: number): Generator<Buffer> {
  for (let sent = 0; sent < bytes; sent += chunk.length) yield chunk
}

function digest(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex')
}

/** The peak resident memory of a process. */
async function peakMemoryBytes(pid: number | undefined): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8')
  return Number(/^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1]) * 1024
}

test('a download of 1 GiB is complete, with constant memory', async () => {
  const upstream = await startServer((_req, res) => {
    res.setHeader('content-length', GIB)
    void pipeline(Readable.from(chunks(GIB)), res)
  })
  const program = await startProgram(forwardConfig(upstream))
  await (await fetch(`${program.adminUrl}/livez`)).text()
  const before = await peakMemoryBytes(program.process.pid)

  const download = request(program.proxyUrl).end()
  const [response] = await once(download, 'response')
  let received = 0
  for await (const part of response) received += part.length

  expect(received).toBe(GIB)
  expect((await peakMemoryBytes(program.process.pid)) - before).toBeLessThan(MAX_GROWTH_BYTES)
})

test('an upload of 1 GiB is complete, with constant memory', async () => {
  const upstream = await startServer((req, res) => {
    let received = 0
    req.on('data', (part: Buffer) => {
      received += part.length
    })
    req.on('end', () => void res.end(String(received)))
  })
  const program = await startProgram(forwardConfig(upstream))
  await (await fetch(`${program.adminUrl}/livez`)).text()
  const before = await peakMemoryBytes(program.process.pid)

  const upload = request(program.proxyUrl, { method: 'PUT' })
  const responded = once(upload, 'response')
  await pipeline(Readable.from(chunks(GIB)), upload)
  const [response] = await responded
  let text = ''
  for await (const part of response) text += String(part)

  expect(text).toBe(String(GIB))
  expect((await peakMemoryBytes(program.process.pid)) - before).toBeLessThan(MAX_GROWTH_BYTES)
})

test('simultaneous upload and download arrive unchanged', async () => {
  const upstream = await startServer((req, res) => void req.pipe(res))
  const program = await startProgram(forwardConfig(upstream))
  const body = randomBytes(16 * MIB)
  const response = await fetch(program.proxyUrl, { method: 'POST', body })
  const echoed = Buffer.from(await response.arrayBuffer())
  expect(digest(echoed)).toBe(digest(body))
})

test('a slow client causes backpressure on the upstream instead of buffering', async () => {
  let sent = 0
  let isStuck = false
  const upstream = await startServer((_req, res) => {
    const push = (): void => {
      while (sent < GIB) {
        sent += chunk.length
        if (!res.write(chunk)) {
          isStuck = true
          return
        }
      }
      res.end()
    }
    res.on('drain', () => {
      isStuck = false
      push()
    })
    res.on('error', () => {})
    push()
  })
  const program = await startProgram(forwardConfig(upstream))
  const before = await peakMemoryBytes(program.process.pid)
  const download = request(program.proxyUrl).end()
  download.on('error', () => {})
  const [response] = await once(download, 'response')
  response.pause()

  // Until all buffers on the path are full.
  let last = -1
  let stableRounds = 0
  await until(() => {
    stableRounds = isStuck && sent === last ? stableRounds + 1 : 0
    last = sent
    return stableRounds > 50
  })
  expect(sent).toBeLessThan(64 * MIB)
  expect((await peakMemoryBytes(program.process.pid)) - before).toBeLessThan(MAX_GROWTH_BYTES)
  download.destroy()
})
