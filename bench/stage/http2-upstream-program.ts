import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer, type IncomingHttpHeaders, type ServerHttp2Stream } from 'node:http2'
import { buffer } from 'node:stream/consumers'
import * as z from 'zod'
import { type ResponseKind, RESPONSES, PROBE_PATH } from './responses.ts'
import { describeReceived } from './describe-request.ts'
import { tokenLengths } from './upstream.ts'

const settings = z.object({ token: z.string() })

const { token } = settings.parse(JSON.parse(readFileSync(process.argv[2] ?? '', 'utf8')))
const { min, max } = tokenLengths(token)
const AUTHORIZATION = new RegExp(`^Bearer [A-Za-z0-9._~-]{${min},${max}}$`)
const OF_PATH = new Map<string, (typeof RESPONSES)[ResponseKind]>(
  Object.values(RESPONSES).map((each) => [each.path, each]),
)

const server = createServer({
  settings: { maxConcurrentStreams: 1000, initialWindowSize: 1024 * 1024 },
  // In megabytes; the default of 10 refuses streams while 32 large responses are buffered.
  maxSessionMemory: 1000,
})
server.on('session', (session) => {
  session.on('connect', () => session.setLocalWindowSize(16 * 1024 * 1024))
  session.on('error', () => {})
})
server.on('stream', (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => {
  stream.on('error', () => {})
  if (!AUTHORIZATION.test(headers.authorization ?? '')) {
    stream.respond({ ':status': 401 }, { endStream: true })
    return
  }
  const [, , kind = ''] = (headers[':path'] ?? '').split('/')
  if (kind === PROBE_PATH) void describe(stream, headers)
  else if (stream.endAfterHeaders) respond(stream, kind)
  else {
    // The response to a gRPC call is sent after its message has been received.
    stream.resume()
    stream.once('end', () => respond(stream, kind))
  }
})
server.listen(0, '127.0.0.1', 4096)
await once(server, 'listening')
const bound = server.address()
if (bound === null || typeof bound === 'string') throw new TypeError('expected a TCP address')
process.stdout.write(`${JSON.stringify({ origin: `http://127.0.0.1:${bound.port}` })}\n`)

function respond(stream: ServerHttp2Stream, kind: string): void {
  // The load generator ends with requests still in flight.
  if (stream.destroyed) return
  const { type, body, messages } = OF_PATH.get(kind) ?? RESPONSES.small
  if (messages === 0) {
    stream.respond({ ':status': 200, 'content-type': type, 'content-length': body.length })
    stream.end(body)
    return
  }
  stream.respond({ ':status': 200, 'content-type': type }, { waitForTrailers: true })
  stream.once('wantTrailers', () => {
    if (!stream.destroyed) stream.sendTrailers({ 'grpc-status': '0' })
  })
  sendMessages(stream, body, body.length / messages, 0)
}

/** Writes each message separately, as a gRPC server does. */
function sendMessages(stream: ServerHttp2Stream, body: Buffer, each: number, from: number): void {
  for (let at = from; at < body.length; at += each) {
    if (stream.destroyed) return
    if (!stream.write(body.subarray(at, at + each))) {
      stream.once('drain', () => sendMessages(stream, body, each, at + each))
      return
    }
  }
  stream.end()
}

async function describe(stream: ServerHttp2Stream, headers: IncomingHttpHeaders): Promise<void> {
  const { ':method': method = '', authorization } = headers
  const description = describeReceived({
    method,
    authorization: authorization === undefined ? [] : [authorization],
    headers,
    body: await buffer(stream),
  })
  stream.respond({ ':status': 200, 'content-type': 'application/json' })
  stream.end(JSON.stringify(description))
}
