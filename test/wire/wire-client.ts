import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { onTestFinished } from 'vitest'

export type WireClient = {
  /** Whether the connection survives a failed request, as in HTTP/2. */
  readonly isMultiplexed: boolean
  write(bytes: string): Promise<void>
  /** With multiplexing: leaves the last request incomplete, and the next bytes begin another one. */
  startNextRequest(): void
  received(): string
  /** Whether the proxy has closed or reset the connection. */
  isClosed(): boolean
  /** Whether the last request got a stream error (RFC 9113 section 5.4.2) instead of a response. */
  wasReset(): boolean
  /** Resolves to true once `condition` holds, and to false once it cannot hold any more or after a time limit. */
  waitUntil(condition: () => boolean): Promise<boolean>
  /** Stops reading. */
  pause(): void
  resume(): void
  close(): void
}

/** More than ten times what any wait of a passing case takes. */
const WAIT_LIMIT_MS = 4_000

const nothing = (): void => {}

/** A connection to the proxy that sends exactly the given bytes and records all received ones. */
export async function connectWireClient(proxyUrl: string): Promise<WireClient> {
  const { hostname, port } = new URL(proxyUrl)
  const socket = connect(Number(port), hostname)
  onTestFinished(() => void socket.destroy())
  await once(socket, 'connect')
  return wireClientOver(socket)
}

/** The same over a connection that is open. */
export function wireClientOver(socket: Socket): WireClient {
  let received = ''
  let isClosed = false
  let checkCondition = nothing
  const end = (): void => {
    isClosed = true
    checkCondition()
  }
  socket.on('data', (data: Buffer) => {
    received += data.toString('latin1')
    checkCondition()
  })
  // A reset also ends the connection; lost data shows in `received`.
  socket.on('error', end)
  socket.on('end', end)
  socket.on('close', end)

  return {
    isMultiplexed: false,
    wasReset: () => false,
    startNextRequest() {},
    async write(bytes) {
      const { promise, resolve } = Promise.withResolvers<void>()
      // A proxy that stops reading must not block the case.
      const timer = setTimeout(resolve, WAIT_LIMIT_MS)
      socket.write(bytes, 'latin1', () => resolve())
      await promise
      clearTimeout(timer)
    },
    received: () => received,
    isClosed: () => isClosed,
    async waitUntil(condition) {
      if (condition()) return true
      if (isClosed) return false
      const { promise, resolve } = Promise.withResolvers<boolean>()
      checkCondition = () => {
        if (condition()) resolve(true)
        else if (isClosed) resolve(false)
      }
      const timer = setTimeout(() => resolve(false), WAIT_LIMIT_MS)
      try {
        return await promise
      } finally {
        clearTimeout(timer)
        checkCondition = nothing
      }
    },
    pause: () => void socket.pause(),
    resume: () => void socket.resume(),
    close: () => void socket.destroy(),
  }
}
