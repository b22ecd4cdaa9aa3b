import { createServer } from 'node:http'
import { connect, type Socket } from 'node:net'
import { onTestFinished } from 'vitest'
import { startListening } from './servers.ts'

export type ConnectProxy = {
  readonly url: string
  /** The target of every request, with its method. */
  readonly targets: readonly string[]
}

/** A proxy for CONNECT only (RFC 9110 section 9.3.6); with `rejection` it responds with that status code. */
export async function startConnectProxy(rejection?: number): Promise<ConnectProxy> {
  const targets: string[] = []
  const sockets = new Set<Socket>()
  const server = createServer((req, res) => {
    targets.push(`${req.method} ${req.url}`)
    res.writeHead(405).end()
  })
  server.on('connect', (req, socket) => {
    targets.push(`${req.method} ${req.url}`)
    socket.on('error', () => socket.destroy())
    if (rejection !== undefined) {
      socket.end(`HTTP/1.1 ${rejection} No\r\ncontent-length: 0\r\n\r\n`)
      return
    }
    const { hostname, port } = new URL(`http://${req.url}`)
    const target = connect(Number(port), hostname, () => {
      socket.write('HTTP/1.1 200 Connection established\r\n\r\n')
      target.pipe(socket).pipe(target)
    })
    sockets.add(target)
    target.on('error', () => socket.destroy())
  })
  const url = await startListening(server)
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy()
  })
  return { url, targets }
}
