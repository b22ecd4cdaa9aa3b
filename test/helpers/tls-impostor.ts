import { createServer } from 'node:http'
import { createSecureContext, TLSSocket } from 'node:tls'
import { onTestFinished } from 'vitest'
import { startListening } from './servers.ts'

export type Identity = { readonly cert: string; readonly key: string }

export type Impostor = {
  /** An HTTP proxy for CONNECT, which is itself the server of every host. */
  readonly url: string
  /** The ports of the hosts that clients opened connections to. */
  readonly connected: ReadonlySet<number>
  /** The ports of those that clients sent a request to: they accepted the certificate. */
  readonly requested: ReadonlySet<number>
}

/** Answers for every host with the certificate for its port. */
export async function startImpostor(identities: ReadonlyMap<number, Identity>): Promise<Impostor> {
  const connected = new Set<number>()
  const requested = new Set<number>()
  const sockets = new Set<TLSSocket>()
  const server = createServer()
  server.on('connect', (req, socket) => {
    socket.on('error', () => socket.destroy())
    const port = Number(/:(\d+)$/.exec(req.url ?? '')?.[1])
    const identity = identities.get(port)
    if (identity === undefined) {
      socket.end('HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n')
      return
    }
    connected.add(port)
    socket.write('HTTP/1.1 200 OK\r\n\r\n')
    const secureContext = createSecureContext(identity)
    const secure = new TLSSocket(socket, { isServer: true, secureContext })
    sockets.add(secure)
    secure.on('error', () => secure.destroy())
    secure.once('data', () => {
      requested.add(port)
      secure.end('HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nconnection: close\r\n\r\n')
    })
  })
  const url = await startListening(server)
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy()
  })
  return { url, connected, requested }
}
