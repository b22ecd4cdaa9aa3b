import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readdirSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { expect, onTestFinished, test } from 'vitest'
import { writeConfig } from '../helpers/cli.ts'
import { forwardConfig } from '../helpers/config-text.ts'
import { metric } from '../helpers/metrics.ts'
import { openRaw, type RawConnection } from '../helpers/raw-connection.ts'
import { exchangeRaw } from '../helpers/raw-http.ts'
import { startServer } from '../helpers/servers.ts'
import { until } from '../helpers/wait.ts'

const HAS_PROC = existsSync('/proc/self/fd')
/** Descriptors available beyond those of an idle process. */
const SPARE = 4

type LimitedProgram = {
  readonly proxyUrl: string
  readonly adminUrl: string
  readonly lines: readonly string[]
  readonly openDescriptors: () => number
  readonly stop: () => Promise<unknown>
}

/** The limit is one above the highest number of a new descriptor; the test may have inherited higher ones. */
function isCounted(descriptor: string): boolean {
  return Number(descriptor) < 100
}

/** Sets both limits, because Node raises the soft limit to the hard limit. */
async function startLimited(file: string, limit: number | 'unlimited'): Promise<LimitedProgram> {
  const setLimit = limit === 'unlimited' ? '' : `ulimit -n ${limit}; `
  const command = `${setLimit}exec "$0" dist/cli.js run -c "$1"`
  const child = spawn('sh', ['-c', command, process.execPath, file], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const exited = once(child, 'exit')
  onTestFinished(async () => {
    child.kill('SIGKILL')
    await exited
  })
  const lines: string[] = []
  const listening = Promise.withResolvers<{ listen: string; admin: string }>()
  createInterface({ input: child.stdout }).on('line', (line) => {
    lines.push(line)
    if (line.includes('"message":"listening"')) listening.resolve(JSON.parse(line))
  })
  void exited.then(() => listening.reject(new Error(`the program ended early: ${lines.join()}`)))
  const { listen, admin } = await listening.promise
  return {
    proxyUrl: listen,
    adminUrl: admin,
    lines,
    openDescriptors: () => readdirSync(`/proc/${child.pid}/fd`).filter(isCounted).length,
    async stop() {
      child.kill('SIGTERM')
      return await exited
    },
  }
}

type Exhausted = { readonly program: LimitedProgram; readonly limit: number }

/** A program whose limit is a few descriptors above what it uses when idle. */
async function startAlmostExhausted(): Promise<Exhausted> {
  const upstream = await startServer((_req, res) => void res.end('ok'))
  const file = await writeConfig(
    `listen: 127.0.0.1:0\nadmin: 127.0.0.1:0\n${forwardConfig(upstream)}`,
  )
  const idle = await startLimited(file, 'unlimited')
  const limit = idle.openDescriptors() + SPARE
  await idle.stop()
  const program = await startLimited(file, limit)
  return { program, limit }
}

/** Opens idle connections to the admin listener until `remaining` descriptors are left. */
async function occupy(
  { program, limit }: Exhausted,
  remaining: number,
): Promise<[RawConnection, ...RawConnection[]]> {
  const first = await openRaw(program.adminUrl)
  const connections: [RawConnection, ...RawConnection[]] = [first]
  for (;;) {
    // Each is accepted before the next is opened.
    first.socket.write('GET /readyz HTTP/1.1\r\nHost: localhost\r\n\r\n')
    const before = first.received().length
    await until(() => first.received().length > before)
    if (program.openDescriptors() >= limit - remaining) return connections
    const open = program.openDescriptors()
    connections.push(await openRaw(program.adminUrl))
    await until(() => program.openDescriptors() > open)
  }
}

function release(connections: readonly RawConnection[]): void {
  for (const { socket } of connections) socket.destroy()
}

const FAILURES = 'token_sidecar_file_descriptor_failures_total'

async function expectRecovery(program: LimitedProgram): Promise<void> {
  await until(async () => {
    const response = await fetch(`${program.adminUrl}/readyz`).catch(() => undefined)
    return response?.status === 200
  })
  expect(await (await fetch(program.proxyUrl)).text()).toBe('ok')
  expect(await metric(program, FAILURES, {})).toBeGreaterThan(0)
  expect(await program.stop()).toEqual([0, null])
}

function logLine(program: LimitedProgram, message: string): unknown {
  const line = program.lines.find((text) => text.includes(`"message":"${message}"`))
  return line === undefined ? undefined : JSON.parse(line)
}

const HEAD = 'GET / HTTP/1.1\r\nHost: localhost\r\n\r\n'

test.skipIf(!HAS_PROC).for(['proxy', 'admin'] as const)(
  'without a descriptor for a connection to the %s listener, it is closed, logged and counted, and the sidecar recovers',
  async (listener) => {
    const exhausted = await startAlmostExhausted()
    const { program, limit } = exhausted
    const connections = await occupy(exhausted, 0)
    const url = listener === 'proxy' ? program.proxyUrl : program.adminUrl
    expect(await exchangeRaw(url, HEAD)).toBe('')
    await until(() => logLine(program, 'too many open files') !== undefined)
    expect(logLine(program, 'too many open files')).toMatchObject({
      level: 'error',
      code: 'EMFILE',
      limit,
    })
    // A connection that is open already, such as that of a probe, still gets its response.
    const [open] = connections
    open.socket.write('GET /readyz HTTP/1.1\r\nHost: localhost\r\n\r\n')
    await until(() => open.received().endsWith('}\n'))
    expect(open.received()).toMatch(/^HTTP\/1\.1 200 OK\r\n/)
    release(connections)
    await expectRecovery(program)
  },
)

test.skipIf(!HAS_PROC)(
  'without a descriptor for a connection to an upstream, the request fails with 502, logged and counted, and the sidecar recovers',
  async () => {
    const exhausted = await startAlmostExhausted()
    const { program, limit } = exhausted
    const connections = await occupy(exhausted, 1)
    const response = await exchangeRaw(program.proxyUrl, HEAD, (soFar) => soFar.endsWith('}\n'))
    expect(response).toMatch(/^HTTP\/1\.1 502 /)
    expect(JSON.parse(response.slice(response.indexOf('\r\n\r\n')))).toMatchObject({
      code: 'upstream_unreachable',
      detail: expect.stringContaining('too many open files'),
    })
    await until(() => logLine(program, 'too many open files') !== undefined)
    expect(logLine(program, 'too many open files')).toMatchObject({ code: 'EMFILE', limit })
    release(connections)
    await expectRecovery(program)
  },
)
