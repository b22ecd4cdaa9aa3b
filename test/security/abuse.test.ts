import { once } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { connect, type Socket } from 'node:net'
import { expect, test } from 'vitest'
import { endpointConfig } from '../helpers/config-text.ts'
import { startServer } from '../helpers/servers.ts'
import { type RunningProgram, startProgram } from '../helpers/sidecar.ts'
import { sendToken, startTokenEndpoint } from '../helpers/token-endpoint.ts'
import { until } from '../helpers/wait.ts'

const REQUESTS = [
  'GET /orders/a HTTP/1.1\r\nHost: localhost\r\n\r\n',
  'POST /orders/cut HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nhello',
  'POST /orders/401 HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX: 1\r\n\r\n',
  'PUT /orders/early HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\nabc',
  'HEAD /orders/reset HTTP/1.1\r\nHost: localhost\r\nConnection: close, x\r\nX: 1\r\n\r\n',
  'GET http://a/orders/garbage HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n',
  'CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n',
  'OPTIONS * HTTP/1.1\r\nHost: localhost\r\n\r\n',
  'GET /orders HTTP/1.0\r\n\r\n',
] as const

/** An upstream that fails in the way that the path names. */
function failAsNamed(req: IncomingMessage, res: ServerResponse): void {
  req.on('error', () => {})
  switch (req.url) {
    case '/cut': {
      res.writeHead(200, { 'content-length': 10 }).write('abc', () => void res.destroy())
      break
    }
    case '/401': {
      res.writeHead(401, { 'www-authenticate': 'Bearer error="invalid_token"' }).end('no')
      break
    }
    case '/early': {
      res.writeHead(413).end('too large')
      break
    }
    case '/reset': {
      req.socket.destroy()
      break
    }
    case '/garbage': {
      req.socket.end('HTTP/1.1 2x\r\n\r\n')
      break
    }
    default: {
      req.resume()
      req.on('end', () => void res.end('ok'))
    }
  }
}

/** A seeded pseudorandom generator of integers below `limit`. */
function createRandom(): (limit: number) => number {
  let state = 26
  return (limit) => {
    state = (state * 1_103_515_245 + 12_345) % 2 ** 31
    return Math.floor((state / 2 ** 31) * limit)
  }
}

/** A request with up to three random bytes replaced, sometimes truncated. */
function mutatedRequest(random: (limit: number) => number): Buffer {
  const bytes = Buffer.from(REQUESTS[random(REQUESTS.length)] ?? '', 'latin1')
  for (let mutations = random(4); mutations > 0; mutations -= 1)
    bytes[random(bytes.length)] = random(256)
  return random(3) === 0 ? bytes.subarray(0, random(bytes.length)) : bytes
}

async function sendMutated(
  program: RunningProgram,
  random: (limit: number) => number,
): Promise<void> {
  const { hostname, port } = new URL(program.proxyUrl)
  const socket: Socket = connect(Number(port), hostname)
  socket.on('error', () => {})
  const closed = once(socket, 'close').catch(() => {})
  socket.resume()
  socket.once('connect', () => {
    for (let requests = 1 + random(3); requests > 0; requests -= 1)
      socket.write(mutatedRequest(random))
    const closing = random(4)
    if (closing === 0) socket.resetAndDestroy()
    else if (closing === 1) socket.destroySoon()
    else setTimeout(() => socket.destroy(), random(30))
  })
  await closed
}

test.for(['', 'dpop: { algorithm: ES256 }'])(
  'misbehaving clients and upstreams do not affect other requests and leak nothing: %s',
  async (credential) => {
    const type = credential === '' ? 'Bearer' : 'DPoP'
    const endpoint = await startTokenEndpoint((_request, res) =>
      sendToken(res, { token_type: type, expires_in: 2 }),
    )
    const upstream = await startServer(failAsNamed)
    const program = await startProgram(
      endpointConfig({ endpoint: endpoint.url, upstream, credential }),
    )
    const random = createRandom()
    const clients = Array.from({ length: 40 }, async () => {
      for (let connection = 0; connection < 75; connection += 1) await sendMutated(program, random)
    })
    await Promise.all(clients)

    expect(program.process.exitCode).toBeNull()
    expect((await fetch(`${program.proxyUrl}/orders/well`)).status).toBe(200)
    await until(async () => {
      const metrics = await (await fetch(`${program.adminUrl}/metrics`)).text()
      const gauges = metrics.match(
        /^token_sidecar_(?:requests_in_flight|upstream_requests_\w+)\{.*$/gm,
      )
      return gauges?.every((line) => line.endsWith(' 0')) === true
    })
    const metrics = await (await fetch(`${program.adminUrl}/metrics`)).text()
    expect(metrics).toContain('failures_total{route="orders",code="internal_error"} 0')
    expect(metrics).toContain('failures_total{route="(none)",code="internal_error"} 0')
  },
)
