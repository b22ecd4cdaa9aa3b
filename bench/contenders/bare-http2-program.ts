import {
  type ClientHttp2Session,
  connect,
  createServer,
  type IncomingHttpHeaders,
  type ServerHttp2Stream,
} from 'node:http2'
import { announcePort, readProgramSettings } from './serve-program.ts'

const WINDOWS = { settings: { initialWindowSize: 1024 * 1024 }, maxSessionMemory: 1000 }
const SESSION_WINDOW_BYTES = 16 * 1024 * 1024

const { upstream, authorization } = readProgramSettings()
let session: ClientHttp2Session | undefined

function upstreamSession(): ClientHttp2Session {
  if (session?.closed === false && !session.destroyed) return session
  const created = connect(upstream, WINDOWS)
  created.on('connect', () => created.setLocalWindowSize(SESSION_WINDOW_BYTES))
  created.on('error', () => {})
  session = created
  return created
}

const server = createServer(WINDOWS)
server.on('session', (accepted) => {
  accepted.setLocalWindowSize(SESSION_WINDOW_BYTES)
  accepted.on('error', () => {})
})
server.on('stream', (inbound: ServerHttp2Stream, headers: IncomingHttpHeaders) => {
  const outbound = upstreamSession().request(
    { ...headers, authorization },
    { endStream: inbound.endAfterHeaders },
  )
  let trailers: IncomingHttpHeaders | undefined
  inbound.on('error', () => outbound.destroy())
  outbound.on('error', () => inbound.destroy())
  outbound.once('response', (head) => {
    if (inbound.destroyed) outbound.destroy()
    else inbound.respond(head, { waitForTrailers: true })
  })
  outbound.once('trailers', (received) => {
    trailers = received
  })
  inbound.once('wantTrailers', () => {
    if (!inbound.destroyed) inbound.sendTrailers(trailers ?? {})
  })
  outbound.on('data', (chunk: Buffer) => {
    if (inbound.write(chunk)) return
    outbound.pause()
    inbound.once('drain', () => outbound.resume())
  })
  outbound.once('end', () => inbound.end())
  if (inbound.endAfterHeaders) return
  inbound.on('data', (chunk: Buffer) => {
    if (outbound.write(chunk)) return
    inbound.pause()
    outbound.once('drain', () => inbound.resume())
  })
  inbound.once('end', () => outbound.end())
})
await announcePort(server)
