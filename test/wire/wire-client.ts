import { once } from 'node:events'
import { connect } from 'node:net'
import { onTestFinished } from 'vitest'

export type WireClient = {
  /** Whether a request that fails leaves the connection to others, as in HTTP/2. */
  readonly isMultiplexed: boolean
  write(bytes: string): Promise<void>
  /** Where requests are multiplexed: leaves the last one incomplete, and what is written next begins another. */
  startOver(): void
  received(): string
  /** Whether the proxy has ended the connection, in whatever way. */
  isClosed(): boolean
  /** Whether the last request got a stream error (RFC 9113 section 5.4.2) instead of a response. */
  wasReset(): boolean
  /** Settles with true when `isEnough` holds, with false when it can't any more or takes too long. */
  waitUntil(isEnough: () => boolean): Promise<boolean>
  /** Stops reading. */
  pause(): void
  resume(): void
  leave(): void
}

/** Nothing of what is waited for takes a tenth of this. */
const PATIENCE_MS = 4_000

const nothing = (): void => {}

/** A connection to the proxy that says what it is told to say and remembers what it hears. */
export async function connectWireClient(proxyUrl: string): Promise<WireClient> {
  const { hostname, port } = new URL(proxyUrl)
  const socket = connect(Number(port), hostname)
  onTestFinished(() => void socket.destroy())
  let received = ''
  let isClosed = false
  let look = nothing
  const end = (): void => {
    isClosed = true
    look()
  }
  await once(socket, 'connect')
  socket.on('data', (data: Buffer) => {
    received += data.toString('latin1')
    look()
  })
  // A reset ends the connection as well; what it cost shows in what was received.
  socket.on('error', end)
  socket.on('end', end)
  socket.on('close', end)

  return {
    isMultiplexed: false,
    wasReset: () => false,
    startOver() {},
    async write(bytes) {
      const { promise, resolve } = Promise.withResolvers<void>()
      // A proxy that reads no further must not hold up the case.
      const patience = setTimeout(resolve, PATIENCE_MS)
      socket.write(bytes, 'latin1', () => resolve())
      await promise
      clearTimeout(patience)
    },
    received: () => received,
    isClosed: () => isClosed,
    async waitUntil(isEnough) {
      if (isEnough()) return true
      if (isClosed) return false
      const { promise, resolve } = Promise.withResolvers<boolean>()
      look = () => {
        if (isEnough()) resolve(true)
        else if (isClosed) resolve(false)
      }
      const patience = setTimeout(() => resolve(false), PATIENCE_MS)
      try {
        return await promise
      } finally {
        clearTimeout(patience)
        look = nothing
      }
    },
    pause: () => void socket.pause(),
    resume: () => void socket.resume(),
    leave: () => void socket.destroy(),
  }
}
