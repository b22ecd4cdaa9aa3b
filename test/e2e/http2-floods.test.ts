import { createServer } from 'node:http'
import { expect, test } from 'vitest'
import { forwardConfig } from '../helpers/config-text.ts'
import { encodeFields, encodeIndexedLiteral } from '../helpers/hpack.ts'
import {
  dataFrame,
  encodeFrame,
  ERROR,
  FLAG,
  FRAME,
  type FrameClient,
  headersFrame,
  openFrameClient,
  requestFields,
  resetFrame,
  settingsFrame,
  valueOf,
  windowUpdateFrame,
} from '../helpers/http2-frames.ts'
import { startListening } from '../helpers/servers.ts'
import { startProgram } from '../helpers/sidecar.ts'
import { until } from '../helpers/wait.ts'

const MEBIBYTE = 1024 * 1024

/** The memory that an attack may use; each sends, or decodes to, many times as much. */
const ALLOWED_BYTES = 96 * MEBIBYTE

const post = requestFields([], { method: 'POST' })

/** A header section of a few octets for each 4 KiB that it decodes to. */
function compressionBomb(references: number): Buffer {
  return Buffer.concat([
    encodeFields(requestFields()),
    encodeIndexedLiteral('x-bomb', 'a'.repeat(4_000)),
    Buffer.alloc(references, 0x80 | 62),
  ])
}

test.for<{ what: string; attack: (client: FrameClient) => void }>([
  {
    what: 'PING frames whose responses are not read',
    attack: ({ socket, send }) => {
      socket.pause()
      for (let i = 0; i < 50; i += 1)
        send(repeat(encodeFrame(FRAME.PING, 0, 0, Buffer.alloc(8)), 10_000))
    },
  },
  {
    what: 'SETTINGS frames whose responses are not read',
    attack: ({ socket, send }) => {
      socket.pause()
      for (let i = 0; i < 50; i += 1) send(repeat(settingsFrame(), 10_000))
    },
  },
  {
    what: 'a header section in CONTINUATION frames without an end',
    attack: ({ send }) => {
      send(encodeFrame(FRAME.HEADERS, FLAG.END_STREAM, 1, encodeFields(requestFields())))
      const fields = encodeFields(['x-a', 'a'.repeat(16_000)])
      for (let i = 0; i < 50; i += 1)
        send(repeat(encodeFrame(FRAME.CONTINUATION, 0, 1, fields), 100))
    },
  },
  {
    what: 'empty CONTINUATION frames without an end',
    attack: ({ send }) => {
      send(encodeFrame(FRAME.HEADERS, FLAG.END_STREAM, 1, encodeFields(requestFields())))
      for (let i = 0; i < 50; i += 1) send(repeat(encodeFrame(FRAME.CONTINUATION, 0, 1), 10_000))
    },
  },
  {
    what: 'streams that are reset at once',
    attack: ({ send }) => {
      for (let id = 1; id < 40_000; id += 2) {
        send(headersFrame(id, requestFields()), resetFrame(id, ERROR.CANCEL))
      }
    },
  },
  {
    what: 'streams that the client makes the server reset',
    attack: ({ send }) => {
      for (let id = 1; id < 40_000; id += 2) {
        send(headersFrame(id, post, FLAG.END_HEADERS), windowUpdateFrame(id, 0))
      }
    },
  },
  {
    what: 'empty DATA frames',
    attack: ({ send }) => {
      send(headersFrame(1, post, FLAG.END_HEADERS))
      for (let i = 0; i < 50; i += 1) send(repeat(dataFrame(1, ''), 10_000))
    },
  },
  {
    what: 'more streams at once than are allowed',
    attack: ({ send }) => {
      for (let id = 1; id < 20_000; id += 2) send(headersFrame(id, post, FLAG.END_HEADERS))
    },
  },
])('$what close the connection, and other connections are served', async ({ attack }) => {
  const { program, memoryBytes } = await start()
  const before = await memoryBytes()
  const attacker = await openFrameClient(program.proxyUrl)
  const bystander = await openFrameClient(program.proxyUrl)
  attack(attacker)
  await serves(bystander, 1)
  attacker.socket.resume()
  await until(attacker.isClosed)
  await serves(bystander, 3)
  expect((await memoryBytes()) - before).toBeLessThan(ALLOWED_BYTES)
})

test('header sections that decode to hundreds of mebibytes are rejected with ENHANCE_YOUR_CALM', async () => {
  const { program, memoryBytes } = await start()
  const before = await memoryBytes()
  const attacker = await openFrameClient(program.proxyUrl)
  const bomb = compressionBomb(10_000)
  for (let id = 1; id < 200; id += 2) {
    attacker.send(encodeFrame(FRAME.HEADERS, FLAG.END_HEADERS, id, bomb))
  }
  await serves(await openFrameClient(program.proxyUrl), 1)
  const { sections, resetCode } = await attacker.response(1)
  expect([sections, resetCode]).toEqual([[], ERROR.ENHANCE_YOUR_CALM])
  expect((await memoryBytes()) - before).toBeLessThan(ALLOWED_BYTES)
})

test('a header section beyond limits.headers gets 431', async () => {
  const { program } = await start('limits: { headers: 4KiB }')
  const client = await openFrameClient(program.proxyUrl)
  client.send(
    headersFrame(1, requestFields(['x-a', 'a'.repeat(3_500)])),
    headersFrame(3, requestFields(['x-a', 'a'.repeat(3_500), 'x-b', 'b'.repeat(600)])),
  )
  expect(valueOf((await client.response(1)).sections[0], ':status')).toBe('200')
  expect(valueOf((await client.response(3)).sections[0], ':status')).toBe('431')
})

test('a field above 64 KiB closes its connection with COMPRESSION_ERROR, and no other connection', async () => {
  const { program } = await start('limits: { headers: 1MiB }')
  const client = await openFrameClient(program.proxyUrl)
  const bystander = await openFrameClient(program.proxyUrl)
  const block = encodeFields(requestFields(['x-a', 'a'.repeat(70_000)]))
  client.send(
    encodeFrame(FRAME.HEADERS, FLAG.END_STREAM, 1, block.subarray(0, 16_384)),
    ...[1, 2, 3, 4].map((part) =>
      encodeFrame(
        FRAME.CONTINUATION,
        part === 4 ? FLAG.END_HEADERS : 0,
        1,
        block.subarray(part * 16_384, (part + 1) * 16_384),
      ),
    ),
  )
  await until(client.isClosed)
  expect(client.goaway()).toBe(ERROR.COMPRESSION_ERROR)
  await serves(bystander, 1)
})

test('a connection with a thousand cancelled requests is still served', async () => {
  const { program } = await start()
  const client = await openFrameClient(program.proxyUrl)
  for (let id = 1; id < 2_000; id += 2) {
    client.send(headersFrame(id, requestFields()), resetFrame(id, ERROR.CANCEL))
  }
  await serves(client, 2_001)
  expect(client.goaway()).toBeUndefined()
})

test('responses that are not read take bounded memory', async () => {
  const { program, memoryBytes } = await start()
  const before = await memoryBytes()
  const client = await openFrameClient(program.proxyUrl)
  for (let id = 1; id < 512; id += 2) {
    client.send(headersFrame(id, requestFields([], { path: '/large' })))
  }
  await until(() => client.stream(1).content.length > 0)
  await serves(await openFrameClient(program.proxyUrl), 1)
  expect((await memoryBytes()) - before).toBeLessThan(ALLOWED_BYTES)
})

function repeat(frame: Buffer, times: number): Buffer {
  return Buffer.concat(Array.from({ length: times }, () => frame))
}

async function serves(client: FrameClient, id: number): Promise<void> {
  client.send(headersFrame(id, requestFields()))
  expect((await client.response(id)).content.toString()).toBe('done')
}

async function start(config = '') {
  const origin = await startListening(
    createServer((req, res) => {
      req.on('error', () => {})
      req.resume().on('end', () => {
        if (req.url === '/large') res.end(Buffer.alloc(4 * MEBIBYTE))
        else res.end('done')
      })
    }),
  )
  const program = await startProgram(`${forwardConfig(origin)}\n${config}`)
  return {
    program,
    async memoryBytes() {
      const text = await (await fetch(`${program.adminUrl}/metrics`)).text()
      return Number(/^process_resident_memory_bytes (\S+)$/m.exec(text)?.[1])
    },
  }
}
