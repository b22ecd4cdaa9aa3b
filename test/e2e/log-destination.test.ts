import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import {
  closeSync,
  constants,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { createServer as createTcpServer } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import type { Readable } from 'node:stream'
import { expect, onTestFinished, test } from 'vitest'
import { startServer } from '../helpers/servers.ts'
import { temporaryDirectory } from '../helpers/sidecar.ts'
import { until } from '../helpers/wait.ts'

/** Enough lines with a long path to fill the buffer of the log. */
const REQUESTS = 400
const LONG_PATH = `/${'x'.repeat(6_000)}`

const SIGNALS = ['SIGTERM', 'SIGINT'] as const
const FORMATS = ['json', 'pretty'] as const

type Destination = {
  readonly stdout: number | 'pipe'
  /** Called once the program runs. */
  readonly onRunning?: (stdout: Readable | null) => void
}

const DESTINATIONS: readonly { readonly name: string; readonly open: () => Destination }[] = [
  { name: 'a full device', open: () => ({ stdout: openOwned('/dev/full') }) },
  { name: 'a socket that is not read', open: () => ({ stdout: 'pipe' }) },
  {
    name: 'a socket closed by its reader',
    open: () => ({ stdout: 'pipe', onRunning: (stdout) => void stdout?.destroy() }),
  },
  {
    name: 'a pipe that is not read',
    open() {
      const { reader, writer } = openPipe()
      onTestFinished(() => closeSync(reader))
      return { stdout: writer }
    },
  },
  {
    name: 'a pipe closed by its reader',
    open() {
      const { reader, writer } = openPipe()
      return { stdout: writer, onRunning: () => closeSync(reader) }
    },
  },
]

/** A FIFO, like the pipe of "run | tee log"; a "pipe" of node:child_process is a socket pair. */
function openPipe(): { readonly reader: number; readonly writer: number } {
  const path = join(mkdtempSync(join(tmpdir(), 'token-sidecar-')), 'pipe')
  execFileSync('mkfifo', [path])
  const reader = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)
  const writer = openOwned(path)
  onTestFinished(() => rmSync(dirname(path), { recursive: true }))
  return { reader, writer }
}

const cases = DESTINATIONS.flatMap(({ name, open }) =>
  FORMATS.flatMap((format) => SIGNALS.map((signal) => ({ name, open, format, signal }))),
)

test.for(cases)(
  'with standard output being $name ($format), requests are served, lines are counted, and $signal ends the process',
  async ({ open, format, signal }) => {
    const destination = open()
    const program = await startWith(destination, format)
    destination.onRunning?.(program.process.stdout)
    await sendMany(program.proxyUrl)
    expect(await dropped(program.adminUrl)).toBeGreaterThan(0)
    expect((await fetch(`${program.adminUrl}/readyz`)).status).toBe(200)
    program.process.kill(signal)
    expect(await program.exited).toEqual([0, null])
  },
)

test('with a full disk as standard output, requests are served, and lines are written again once there is room', async ({
  skip,
}) => {
  const directory = join(await temporaryDirectory(), 'small')
  mkdirSync(directory)
  const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', directory])
  if (mounted.status !== 0) skip('mounting a tmpfs is not permitted')
  onTestFinished(() => void spawnSync('umount', ['-l', directory]))
  const file = join(directory, 'log')
  const program = await startWith({ stdout: openOwned(file, 'a') }, 'json')
  await sendMany(program.proxyUrl)
  expect(await dropped(program.adminUrl)).toBeGreaterThan(0)
  spawnSync('mount', ['-o', 'remount,size=16m', directory])
  await until(() => readFileSync(file, 'utf8').includes('"log lines were dropped"'))
  program.process.kill('SIGTERM')
  expect(await program.exited).toEqual([0, null])
  const lines = readFileSync(file, 'utf8').trimEnd().split('\n')
  expect(lines.map((line): unknown => JSON.parse(line)).at(-1)).toMatchObject({
    message: 'stopped',
  })
})

test('with full devices as standard output and standard error, SIGTERM ends the process', async () => {
  const full = openOwned('/dev/full')
  const program = await startWith({ stdout: full }, 'json', full)
  await sendMany(program.proxyUrl)
  program.process.kill('SIGTERM')
  expect(await program.exited).toEqual([0, null])
})

test('a second signal ends the process while its log is not read and a request is running', async () => {
  const program = await startWith({ stdout: 'pipe' }, 'json')
  await sendMany(program.proxyUrl)
  const cutOff = fetch(`${program.proxyUrl}/hang`).catch(() => 'cut off')
  await until(() => program.hanging() === 1)
  program.process.kill('SIGTERM')
  await until(async () => (await statusOf(`${program.proxyUrl}/`)) === undefined)
  program.process.kill('SIGTERM')
  expect(await program.exited).toEqual([1, null])
  expect(await cutOff).toBe('cut off')
})

function openOwned(path: string, flags = 'w'): number {
  const descriptor = openSync(path, flags)
  onTestFinished(() => closeSync(descriptor))
  return descriptor
}

async function startWith(
  { stdout }: Destination,
  format: string,
  stderr: number | 'ignore' = 'ignore',
) {
  let hanging = 0
  const upstream = await startServer((req, res) => {
    if (req.url === '/hang') hanging += 1
    else res.end('ok')
  })
  const [proxyPort, adminPort] = [await freePort(), await freePort()]
  const file = join(await temporaryDirectory(), 'token-sidecar.yaml')
  writeFileSync(
    file,
    `
listen: 127.0.0.1:${proxyPort}
admin: 127.0.0.1:${adminPort}
log: { format: ${format} }
shutdown: { deadline: 60s }
routes:
  - { name: all, match: { path: / }, upstream: '${upstream}', credential: none }
`,
  )
  const child = spawn(process.execPath, ['dist/cli.js', 'run', '-c', file], {
    env: { PATH: process.env['PATH'] },
    stdio: ['ignore', stdout, stderr],
  })
  const exited = once(child, 'exit')
  onTestFinished(async () => {
    child.kill('SIGKILL')
    await exited
  })
  const adminUrl = `http://127.0.0.1:${adminPort}`
  const proxyUrl = `http://127.0.0.1:${proxyPort}`
  await until(async () => (await statusOf(`${proxyUrl}/`)) === 200)
  return { process: child, adminUrl, proxyUrl, exited, hanging: () => hanging }
}

async function sendMany(proxyUrl: string): Promise<void> {
  for (let sent = 0; sent < REQUESTS; sent += 1) {
    const response = await fetch(`${proxyUrl}${LONG_PATH}`)
    expect(await response.text()).toBe('ok')
  }
}

async function dropped(adminUrl: string): Promise<number> {
  const metrics = await (await fetch(`${adminUrl}/metrics`)).text()
  return Number(/^token_sidecar_log_lines_dropped_total (?<n>\d+)$/m.exec(metrics)?.groups?.['n'])
}

async function statusOf(url: string): Promise<number | undefined> {
  try {
    return (await fetch(url)).status
  } catch {
    return undefined
  }
}

/** The port cannot be taken from the log, because these logs are not read. */
async function freePort(): Promise<number> {
  const server = createTcpServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  await once(server, 'close')
  return typeof address === 'object' && address !== null ? address.port : 0
}
