import { once } from 'node:events'
import { createServer, type Server, type Socket } from 'node:net'
import { onTestFinished } from 'vitest'
import { portOf } from '../helpers/servers.ts'
import { type Reading, readMessage, type ReadMessage } from './read-message.ts'
import { lines, OK_RESPONSE, type UpstreamScript } from './wire-case.ts'

/** The target of requests that test whether the proxy still works; they are not part of the case. */
export const PROBE_TARGET = '/orders/probe'
export const PROBE_BODY = 'still here'
export const PROBE_RESPONSE = lines(
  'HTTP/1.1 200 OK',
  `Content-Length: ${PROBE_BODY.length}`,
  '',
  PROBE_BODY,
)

export type WireUpstream = {
  readonly origin: string
  /** Settles when the first response has been written. */
  readonly responded: Promise<void>
  /** All complete requests so far, except probes. */
  readonly requests: readonly ReadMessage[]
  /** All other input: incomplete requests, and data that is not HTTP. */
  incompleteInput(): Reading[]
  /** Sends `unsolicited` on the first connection, and waits until it is closed. */
  sendUnsolicited(): Promise<void>
  /** Settles when there are two connections. */
  readonly reconnected: Promise<void>
  /** The number of connections with requests, except probes. */
  connectionCount(): number
  /** Whether a request arrived before the delayed response to the previous one was sent. */
  receivedBeforeResponse(): boolean
}

/** An upstream that parses requests as strictly as possible, and sends exactly the scripted bytes. */
export async function startWireUpstream(
  script: UpstreamScript,
  port: number,
): Promise<WireUpstream> {
  const requests: ReadMessage[] = []
  const connections = new Set<{ unread: string }>()
  const sockets = new Set<Socket>()
  const used = new Set<Socket>()
  const responded = Promise.withResolvers<void>()
  const reconnected = Promise.withResolvers<void>()
  let first: Socket | undefined
  let release: (() => void) | undefined
  let receivedBeforeResponse = false

  const respond = (socket: Socket, line: string): void => {
    const target = line.split(' ')[1] ?? ''
    if (target === PROBE_TARGET) {
      receivedBeforeResponse ||= release !== undefined && requests.length > 1
      socket.write(PROBE_RESPONSE, 'latin1')
      release?.()
      release = undefined
      return
    }
    const { response = OK_RESPONSE, closes = false } = script
    const bytes = typeof response === 'string' ? response : (response[target] ?? OK_RESPONSE)
    const sendResponse = (): void => {
      if (closes) socket.end(bytes, 'latin1')
      else socket.write(bytes, 'latin1')
      responded.resolve()
    }
    if (target === script.delayedTarget) release = sendResponse
    else sendResponse()
  }

  const server = createServer((socket) => {
    const connection = { unread: '' }
    let hasRespondedEarly = false
    first ??= socket
    if (connections.size < (script.sendsOnConnect?.connections ?? 0)) {
      socket.write(script.sendsOnConnect?.bytes ?? '', 'latin1')
    }
    connections.add(connection)
    if (connections.size === 2) reconnected.resolve()
    sockets.add(socket)
    socket.on('error', () => socket.destroy())
    socket.on('close', () => sockets.delete(socket))
    socket.on('data', (data: Buffer) => {
      connection.unread += data.toString('latin1')
      for (;;) {
        const reading = readMessage(connection.unread, { of: 'requests', isEnded: false })
        if (reading.state === 'complete') {
          connection.unread = reading.rest
          if (reading.message.line.split(' ')[1] !== PROBE_TARGET) {
            requests.push(reading.message)
            used.add(socket)
          }
          if (!hasRespondedEarly) respond(socket, reading.message.line)
          hasRespondedEarly = false
          continue
        }
        if (
          script.respondsEarly === true &&
          !hasRespondedEarly &&
          reading.state === 'incomplete' &&
          reading.message !== undefined
        ) {
          hasRespondedEarly = true
          respond(socket, reading.message.line)
        }
        return
      }
    })
  })
  await listen(server, port)
  onTestFinished(async () => {
    for (const socket of sockets) socket.destroy()
    const closed = once(server, 'close')
    server.close()
    await closed
  })

  return {
    origin: `http://127.0.0.1:${portOf(server)}`,
    responded: responded.promise,
    requests,
    async sendUnsolicited() {
      if (first === undefined || script.unsolicited === undefined) return
      const { bytes, closes } = script.unsolicited
      const closed = once(first, 'close')
      if (bytes !== '') first.write(bytes, 'latin1')
      if (closes) first.end()
      await closed
    },
    reconnected: reconnected.promise,
    connectionCount: () => used.size,
    receivedBeforeResponse: () => receivedBeforeResponse,
    incompleteInput: () =>
      [...connections]
        .filter(({ unread }) => unread !== '')
        .map(({ unread }) => readMessage(unread, { of: 'requests', isEnded: true })),
  }
}

async function listen(server: Server, port: number): Promise<void> {
  server.listen(port, '127.0.0.1')
  await once(server, 'listening')
}
