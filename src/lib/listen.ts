import { once } from 'node:events'
import { chmod, lstat, unlink } from 'node:fs/promises'
import type { Server as HttpServer } from 'node:http'
import type { Server as HttpsServer } from 'node:https'
import { connect } from 'node:net'
import { Server as TlsServer } from 'node:tls'
import type { Clock } from './clock.ts'

type Server = HttpServer | HttpsServer

export type Address =
  | { readonly kind: 'tcp'; readonly host: string; readonly port: number }
  | { readonly kind: 'unix'; readonly path: string; readonly mode: number }

export type Listener = {
  /** `http://127.0.0.1:8080`, or `unix:/run/app.sock`. */
  readonly url: string
  /** Stops accepting, waits up to `deadlineMs` for requests in flight, then closes their connections. */
  close(deadlineMs: number): Promise<void>
}

export type ListenOptions = {
  /** Closes the connections that are open at the deadline. */
  readonly closeAll?: () => void
  /** Called when a connection cannot be accepted; the server keeps running. */
  readonly onAcceptError?: (error: Error) => void
}

/** Binds `server`. Fails with a system error such as `EADDRINUSE`. */
export async function listen(
  server: Server,
  address: Address,
  clock: Clock,
  options: ListenOptions = {},
): Promise<Listener> {
  const { closeAll = () => server.closeAllConnections(), onAcceptError = () => {} } = options
  if (address.kind === 'unix') {
    await removeStaleSocket(address.path)
    // listen() creates the file, which must never have more permissions than `mode`.
    const umask = process.umask(0o777 & ~address.mode)
    server.listen(address.path)
    process.umask(umask)
    await once(server, 'listening')
    await chmod(address.path, address.mode)
  } else {
    server.listen(address.port, address.host)
    await once(server, 'listening')
  }
  // Without this listener, a connection that cannot be accepted would crash the process.
  server.on('error', onAcceptError)
  return {
    url: urlOf(server, address),
    close: async (deadlineMs) => await drain(server, deadlineMs, clock, closeAll),
  }
}

async function drain(
  server: Server,
  deadlineMs: number,
  clock: Clock,
  closeAll: () => void,
): Promise<void> {
  const cancel = clock.schedule(deadlineMs, closeAll)
  const closed = once(server, 'close')
  server.close()
  server.closeIdleConnections()
  await closed
  cancel()
}

function urlOf(server: Server, address: Address): string {
  if (address.kind === 'unix') return `unix:${address.path}`
  const bound = server.address()
  const scheme = server instanceof TlsServer ? 'https' : 'http'
  if (bound === null || typeof bound === 'string') {
    return `${scheme}://${address.host}:${address.port}`
  }
  const host = bound.family === 'IPv6' ? `[${bound.address}]` : bound.address
  return `${scheme}://${host}:${bound.port}`
}

/** Removes the socket file of a process that was killed, because bind would fail with EADDRINUSE. */
async function removeStaleSocket(path: string): Promise<void> {
  const found = await lstat(path).catch(() => undefined)
  if (found?.isSocket() !== true) return
  const probe = connect(path)
  try {
    await once(probe, 'connect')
  } catch (cause) {
    const refused = cause instanceof Error && 'code' in cause && cause.code === 'ECONNREFUSED'
    if (refused) await unlink(path)
  } finally {
    probe.destroy()
  }
}
