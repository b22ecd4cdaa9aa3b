import { once } from 'node:events'
import { connect } from 'node:net'
import { onTestFinished } from 'vitest'

export type WireClient = {
  write(bytes: string): Promise<void>
  received(): string
  /** Whether the proxy has ended the connection, with a FIN or a reset. */
  isClosed(): boolean
  /** Resolves with true when `isEnough` holds, and with false when the connection ends or after a timeout. */
  waitUntil(isEnough: () => boolean): Promise<boolean>
  /** Stops reading. */
  pause(): void
  resume(): void
  leave(): void
}

/** More than ten times as long as any of these waits takes. */
const TIMEOUT_MS = 4_000

const noop = (): void => {}

/** A raw connection to the proxy that records what it receives. */
export async function connectWireClient(proxyUrl: string): Promise<WireClient> {
  const { hostname, port } = new URL(proxyUrl)
  const socket = connect(Number(port), hostname)
  onTestFinished(() => void socket.destroy())
  let received = ''
  let isClosed = false
  let onProgress = noop
  const end = (): void => {
    isClosed = true
    onProgress()
  }
  await once(socket, 'connect')
  socket.on('data', (data: Buffer) => {
    received += data.toString('latin1')
    onProgress()
  })
  // A reset ends the connection, too; lost data is missing from `received`.
  socket.on('error', end)
  socket.on('end', end)
  socket.on('close', end)

  return {
    async write(bytes) {
      const { promise, resolve } = Promise.withResolvers<void>()
      // A proxy that stops reading must not block the case.
      const timer = setTimeout(resolve, TIMEOUT_MS)
      socket.write(bytes, 'latin1', () => resolve())
      await promise
      clearTimeout(timer)
    },
    received: () => received,
    isClosed: () => isClosed,
    async waitUntil(isEnough) {
      if (isEnough()) return true
      if (isClosed) return false
      const { promise, resolve } = Promise.withResolvers<boolean>()
      onProgress = () => {
        if (isEnough()) resolve(true)
        else if (isClosed) resolve(false)
      }
      const timer = setTimeout(() => resolve(false), TIMEOUT_MS)
      try {
        return await promise
      } finally {
        clearTimeout(timer)
        onProgress = noop
      }
    },
    pause: () => void socket.pause(),
    resume: () => void socket.resume(),
    leave: () => void socket.destroy(),
  }
}
