import { once } from 'node:events'
import { createServer, type Server, type Socket } from 'node:net'
import { onTestFinished } from 'vitest'
import { portOf } from '../helpers/servers.ts'
import { type Reading, readMessage, type ReadMessage } from './read-message.ts'
import { lines, OK_ANSWER, type UpstreamScript } from './wire-case.ts'

/** The target of requests that look whether the proxy still works; they are no part of the case. */
export const PROBE_TARGET = '/orders/probe'
export const PROBE_BODY = 'still here'
export const PROBE_ANSWER = lines(
  'HTTP/1.1 200 OK',
  `Content-Length: ${PROBE_BODY.length}`,
  '',
  PROBE_BODY,
)

export type WireUpstream = {
  readonly origin: string
  /** Settles when the first answer has been written. */
  readonly answered: Promise<void>
  /** All whole requests so far, but for probes. */
  readonly requests: readonly ReadMessage[]
  /** Whatever else came: parts of requests, and what is no HTTP. */
  leftOvers(): Reading[]
  /** Sends what it is to send unasked on its first connection, and waits until that is closed. */
  interrupt(): Promise<void>
  /** Settles when there are two connections. */
  readonly connectedAgain: Promise<void>
  /** How many connections requests have arrived on, but for probes. */
  usedConnections(): number
  /** Whether a request arrived while that before it was held back. */
  isOvertaken(): boolean
}

/** An upstream that reads as strictly as it can, and answers to the letter. */
export async function startWireUpstream(
  script: UpstreamScript,
  port: number,
): Promise<WireUpstream> {
  const requests: ReadMessage[] = []
  const connections = new Set<{ unread: string }>()
  const sockets = new Set<Socket>()
  const used = new Set<Socket>()
  const answered = Promise.withResolvers<void>()
  const connectedAgain = Promise.withResolvers<void>()
  let first: Socket | undefined
  let release: (() => void) | undefined
  let isOvertaken = false

  const answer = (socket: Socket, line: string): void => {
    const target = line.split(' ')[1] ?? ''
    if (target === PROBE_TARGET) {
      isOvertaken ||= release !== undefined && requests.length > 1
      socket.write(PROBE_ANSWER, 'latin1')
      release?.()
      release = undefined
      return
    }
    const { answers = OK_ANSWER, closes = false } = script
    const bytes = typeof answers === 'string' ? answers : (answers[target] ?? OK_ANSWER)
    const respond = (): void => {
      if (closes) socket.end(bytes, 'latin1')
      else socket.write(bytes, 'latin1')
      answered.resolve()
    }
    if (target === script.holdsBack) release = respond
    else respond()
  }

  const server = createServer((socket) => {
    const connection = { unread: '' }
    let hasRespondedEarly = false
    first ??= socket
    if (connections.size < (script.greets?.connections ?? 0)) {
      socket.write(script.greets?.bytes ?? '', 'latin1')
    }
    connections.add(connection)
    if (connections.size === 2) connectedAgain.resolve()
    sockets.add(socket)
    socket.on('error', () => socket.destroy())
    socket.on('close', () => sockets.delete(socket))
    socket.on('data', (data: Buffer) => {
      connection.unread += data.toString('latin1')
      for (;;) {
        const reading = readMessage(connection.unread, { of: 'requests', isEnded: false })
        if (reading.state === 'whole') {
          connection.unread = reading.rest
          if (reading.message.line.split(' ')[1] !== PROBE_TARGET) {
            requests.push(reading.message)
            used.add(socket)
          }
          if (!hasRespondedEarly) answer(socket, reading.message.line)
          hasRespondedEarly = false
          continue
        }
        if (
          script.isEarly === true &&
          !hasRespondedEarly &&
          reading.state === 'incomplete' &&
          reading.message !== undefined
        ) {
          hasRespondedEarly = true
          answer(socket, reading.message.line)
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
    answered: answered.promise,
    requests,
    async interrupt() {
      if (first === undefined || script.interrupts === undefined) return
      const { bytes, closes } = script.interrupts
      const closed = once(first, 'close')
      if (bytes !== '') first.write(bytes, 'latin1')
      if (closes) first.end()
      await closed
    },
    connectedAgain: connectedAgain.promise,
    usedConnections: () => used.size,
    isOvertaken: () => isOvertaken,
    leftOvers: () =>
      [...connections]
        .filter(({ unread }) => unread !== '')
        .map(({ unread }) => readMessage(unread, { of: 'requests', isEnded: true })),
  }
}

async function listen(server: Server, port: number): Promise<void> {
  server.listen(port, '127.0.0.1')
  await once(server, 'listening')
}
