import type { Socket } from 'node:net'
import { closedPeers } from '../lib/closed-peers.ts'

/**
 * Watches a connection whose client has ended its side while a response is due, as `isDue` says. RFC
 * 9112 section 9.6 has a client half-close when it has nothing more to ask, and it gets its response;
 * but a client that has closed its socket sends the same FIN, and its request must be aborted.
 */
export type HalfClosedWatch = (socket: Socket, options: HalfClosedOptions) => void

type HalfClosedOptions = {
  readonly isDue: () => boolean
  /** Whether an empty write may probe the connection. */
  readonly canWrite: boolean
}

/** How often the same connections are checked. */
const INTERVAL_MS = 1_000

/** The delay before the first check, so that connections that close together need only one check. */
const FIRST_MS = 50

/**
 * For clients on other machines: once the kernel of a client has released a closed socket (Linux does
 * after 60 s), it responds to a keep-alive probe with a reset.
 */
const KEEP_ALIVE_MS = 15_000

/** Destroys connections whose client has closed its socket. */
export function createHalfClosedWatch(): HalfClosedWatch {
  const watched = new Map<Socket, HalfClosedOptions>()
  let timer: NodeJS.Timeout | undefined
  let isChecking = false
  let hasNew = false

  const check = async (): Promise<void> => {
    const tcp: Socket[] = []
    for (const [socket, { isDue, canWrite }] of watched) {
      if (socket.destroyed || !isDue()) {
        watched.delete(socket)
        continue
      }
      // An empty write fails with EPIPE if a Unix socket is closed, and not if it is half-closed; also if
      // a TCP connection was reset, which is not reported otherwise while nothing is read.
      if (canWrite && socket.writableLength === 0) socket.write('')
      if (socket.remoteAddress !== undefined) tcp.push(socket)
    }
    if (tcp.length === 0) return
    for (const socket of await closedPeers(tcp)) {
      if (watched.get(socket)?.isDue() === true) socket.destroy()
    }
  }
  const schedule = (): void => {
    clearTimeout(timer)
    timer = setTimeout(run, hasNew ? FIRST_MS : INTERVAL_MS)
    timer.unref()
  }
  const run = (): void => {
    hasNew = false
    isChecking = true
    void check().finally(() => {
      isChecking = false
      if (watched.size > 0) schedule()
    })
  }

  return (socket, options) => {
    watched.set(socket, options)
    socket.once('close', () => watched.delete(socket))
    if (socket.remoteAddress !== undefined) socket.setKeepAlive(true, KEEP_ALIVE_MS)
    if (hasNew) return
    hasNew = true
    if (!isChecking) schedule()
  }
}
