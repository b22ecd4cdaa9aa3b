import { readdir } from 'node:fs/promises'
import {
  Agent,
  type ClientRequest,
  type IncomingMessage,
  request,
  type ServerResponse,
} from 'node:http'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { expect, onTestFinished, test } from 'vitest'
import { endpointConfig } from '../helpers/config-text.ts'
import { parseExposition } from '../helpers/exposition.ts'
import { inspect, INSPECTABLE, type Inside } from '../helpers/inspector.ts'
import { startServer } from '../helpers/servers.ts'
import { type RunningProgram, startProgram } from '../helpers/sidecar.ts'
import { sendToken, startTokenEndpoint } from '../helpers/token-endpoint.ts'
import { until } from '../helpers/wait.ts'

const KIB = 1024
const PART = Buffer.alloc(64 * KIB, 'a')
const LARGE = Buffer.alloc(512 * KIB, 'b')

const IN_A_THIRD = 2000
const AT_ONCE = 50

/**
 * What an exchange may leave in the heap. The least that one could leak, a closure in a list of
 * listeners, is more; what compiled code and counters grow by is a quarter of it.
 */
const LEAK_BYTES = 256
/**
 * What is resident also depends on when pages are given back: 50 MB have been seen without any leak.
 * One outside of the heap shows from 25 kB for each of the 4,000 exchanges of the last two thirds.
 */
const RESIDENT_ALLOWANCE = 96 * KIB ** 2

/** One way in which an exchange goes, seen from both of its ends. */
type Kind = {
  readonly method: 'GET' | 'PUT'
  /** Begins the request, and ends it unless the client leaves before. */
  readonly send: (sent: ClientRequest) => void
  /** What the upstream does. It may say that the client has to leave now. */
  readonly answer: (req: IncomingMessage, res: ServerResponse, leave: () => void) => void
  /** How the client reads; all at once if left out. */
  readonly read?: (response: IncomingMessage, sent: ClientRequest) => void
}

const end = (sent: ClientRequest): void => void sent.end()
const upload = (sent: ClientRequest): void => void sent.end(LARGE)

const COMPLETE: readonly Kind[] = [
  { method: 'GET', send: end, answer: (_req, res) => void res.end('ok') },
  {
    method: 'PUT',
    send: upload,
    answer: (req, res) => void req.resume().on('end', () => res.end('ok')),
  },
  {
    method: 'GET',
    send: end,
    answer: (_req, res) => void res.end(LARGE),
    read: (response) => void readSlowly(response),
  },
  // The token is refused, so all of this is kept to be sent again.
  {
    method: 'PUT',
    send: (sent) => void sent.end(PART),
    answer: (req, res) => void req.resume().on('end', () => res.writeHead(401).end('no')),
  },
]

const CLIENT_LEAVES: readonly Kind[] = [
  { method: 'GET', send: end, answer: (_req, _res, leave) => leave() },
  {
    method: 'PUT',
    send: (sent) => void sent.write(PART),
    answer: (req, _res, leave) => void req.once('data', leave),
  },
  {
    method: 'GET',
    send: end,
    answer: (_req, res) => writeForEver(res),
    read: (response, sent) => void response.once('data', () => sent.destroy()),
  },
]

const UPSTREAM_RESETS: readonly Kind[] = [
  { method: 'GET', send: end, answer: (req) => void req.socket.resetAndDestroy() },
  {
    method: 'GET',
    send: end,
    answer(req, res) {
      res.writeHead(200, { 'content-length': LARGE.length })
      res.write(PART, () => void req.socket.resetAndDestroy())
    },
  },
  {
    method: 'PUT',
    send: upload,
    answer: (req) => void req.once('data', () => req.socket.resetAndDestroy()),
  },
]

const KINDS = [...COMPLETE, ...CLIENT_LEAVES, ...UPSTREAM_RESETS]

async function readSlowly(response: IncomingMessage): Promise<void> {
  while (!response.closed) {
    response.read()
    await nextTurn()
  }
}

function writeForEver(res: ServerResponse): void {
  const push = (): void => {
    while (!res.destroyed && res.write(PART));
  }
  res.on('drain', push)
  push()
}

/** The application and the API: both of them know from the path which kind of exchange it is. */
async function startBothEnds() {
  const underWay = new Map<string, ClientRequest>()
  const agent = new Agent({ keepAlive: true })
  onTestFinished(() => agent.destroy())
  const upstream = await startServer((req, res) => {
    const [, kind, number = ''] = (req.url ?? '').split('/')
    req.on('error', () => {})
    KINDS[Number(kind)]?.answer(req, res, () => underWay.get(number)?.destroy())
  })

  /** One exchange, until its end, whatever that is. */
  const exchange = async (proxyUrl: string, number: number): Promise<void> => {
    const index = number % KINDS.length
    const kind = KINDS[index]
    if (kind === undefined) throw new RangeError(`no kind ${index}`)
    const url = `${proxyUrl}/orders/${index}/${number}`
    const { promise: closed, resolve } = Promise.withResolvers<void>()
    const sent = request(url, { method: kind.method, agent })
    underWay.set(String(number), sent)
    sent.on('error', () => {})
    sent.on('close', resolve)
    sent.on('response', (response) => {
      response.on('error', () => {})
      if (kind.read === undefined) response.resume()
      else kind.read(response, sent)
    })
    kind.send(sent)
    await closed
    underWay.delete(String(number))
  }

  return {
    upstream,
    /** A third of all exchanges, some of them at once. */
    async exchangeThird(proxyUrl: string): Promise<void> {
      const numbers = Array.from({ length: IN_A_THIRD }, (_, number) => number).values()
      const work = async (): Promise<void> => {
        for (const number of numbers) await exchange(proxyUrl, number)
      }
      await Promise.all(Array.from({ length: AT_ONCE }, work))
      agent.destroy()
    },
  }
}

async function openFiles(program: RunningProgram): Promise<number> {
  return (await readdir(`/proc/${program.process.pid}/fd`)).length
}

/** Reads the metrics, and sums up the series of one, or of those with a label of that value. */
async function readMetrics(program: RunningProgram) {
  const response = await fetch(`${program.adminUrl}/metrics`, { headers: { connection: 'close' } })
  const samples = parseExposition(await response.text()).flatMap((family) => family.samples)
  return (name: string, label?: string): number =>
    samples
      .filter((sample) => sample.name === name)
      .filter(({ labels }) => label === undefined || Object.values(labels).includes(label))
      .reduce((sum, { value }) => sum + value, 0)
}

test(
  '6,000 requests, most of them aborted, leak no sockets, timers or memory',
  { timeout: 240_000 },
  async () => {
    const { upstream, exchangeThird } = await startBothEnds()
    const endpoint = await startTokenEndpoint((_request, res) => sendToken(res))
    const program = await startProgram(
      `${endpointConfig({ endpoint: endpoint.url, upstream })}\nlog: { access: 'off' }`,
      INSPECTABLE,
    )
    const look = await inspect(program)
    // Idle connections to the upstream are closed after 4 s.
    const isIdle = async (): Promise<boolean> => {
      const sumOf = await readMetrics(program)
      return (
        sumOf('token_sidecar_requests_in_flight') === 0 &&
        sumOf('token_sidecar_upstream_connections') === 0
      )
    }
    const lookWhenIdle = async (): Promise<Inside> => {
      await until(isIdle)
      let inside = await look()
      // The last lines of the log may still be on their way.
      while (inside.resources.includes('FSReqCallback')) inside = await look()
      return inside
    }
    const before = await lookWhenIdle()
    const filesBefore = await openFiles(program)

    await exchangeThird(program.proxyUrl)
    const early = await lookWhenIdle()
    await exchangeThird(program.proxyUrl)
    await exchangeThird(program.proxyUrl)
    const late = await lookWhenIdle()

    expect(late.resources).toEqual(before.resources)
    expect(await openFiles(program)).toBeLessThanOrEqual(filesBefore)
    expect((late.keptBytes - early.keptBytes) / (2 * IN_A_THIRD)).toBeLessThan(LEAK_BYTES)
    expect(late.residentBytes - early.residentBytes).toBeLessThan(RESIDENT_ALLOWANCE)

    const sumOf = await readMetrics(program)
    const ofEach = (3 * IN_A_THIRD) / KINDS.length
    expect(sumOf('token_sidecar_requests_total')).toBe(3 * IN_A_THIRD)
    const failures = (code: string): number => sumOf('token_sidecar_request_failures_total', code)
    // A client that closes its connection during an upload has sent an incomplete request.
    expect(failures('request_invalid')).toBe(ofEach)
    expect(failures('client_closed')).toBe((CLIENT_LEAVES.length - 1) * ofEach)
    expect(failures('upstream_reset')).toBe(UPSTREAM_RESETS.length * ofEach)
    expect(sumOf('token_sidecar_request_failures_total')).toBe(
      failures('request_invalid') + failures('client_closed') + failures('upstream_reset'),
    )
    expect(sumOf('token_sidecar_upstream_requests_running')).toBe(0)
    expect(sumOf('token_sidecar_upstream_requests_queued')).toBe(0)
  },
)
