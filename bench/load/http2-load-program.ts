import { readFileSync } from 'node:fs'
import { type ClientHttp2Session, connect } from 'node:http2'
import { setTimeout as sleep } from 'node:timers/promises'
import { requestBody } from '../measure/workload.ts'
import { http2LoadSettings } from './http2-load.ts'
import { createLoadRecord } from './load-record.ts'

const settings = http2LoadSettings.parse(JSON.parse(readFileSync(process.argv[2] ?? '', 'utf8')))
const { origin, method, path, connections, streams, seconds, responseBytes, isGrpc } = settings
const response = isGrpc ? 'unary' : 'small'
const body =
  method === 'POST' ? requestBody({ response, bodyBytes: settings.bodyBytes }) : undefined
const fields = {
  ':method': method,
  ':path': path,
  ...Object.fromEntries(settings.headers.map(([name, value]) => [name.toLowerCase(), value])),
}
const record = createLoadRecord()
let isFinished = false

const sessions = Array.from({ length: connections }, () =>
  connect(origin, { settings: { initialWindowSize: 1024 * 1024 } }),
)
for (const session of sessions) {
  session.on('error', ({ message }) => record.failed(message))
  session.on('connect', () => session.setLocalWindowSize(16 * 1024 * 1024))
}
record.begin()
for (const session of sessions) for (let i = 0; i < streams; i += 1) send(session)
await sleep(seconds * 1000)
isFinished = true
process.stdout.write(JSON.stringify(record.end()))
for (const session of sessions) session.destroy()

function send(session: ClientHttp2Session): void {
  if (isFinished || session.destroyed) return
  const sentAtMs = performance.now()
  const stream = session.request(fields, { endStream: body === undefined })
  let status: unknown
  let grpcStatus: unknown
  let received = 0
  stream.on('response', (head) => {
    status = head[':status']
    grpcStatus = head['grpc-status']
  })
  stream.on('trailers', (trailers) => {
    grpcStatus = trailers['grpc-status']
  })
  stream.on('data', (chunk: Buffer) => {
    received += chunk.length
  })
  stream.on('error', ({ message }) => {
    if (!isFinished) record.failed(message)
  })
  stream.once('close', () => {
    if (isFinished) return
    if (status !== 200) record.failed(`a response with status ${String(status)}`)
    else if (received !== responseBytes) record.failed(`a response of ${received} bytes`)
    else if (isGrpc && grpcStatus !== '0') record.failed(`grpc-status ${String(grpcStatus)}`)
    else {
      record.latency(performance.now() - sentAtMs)
      record.completed()
    }
    send(session)
  })
  if (body !== undefined) stream.end(body)
}
