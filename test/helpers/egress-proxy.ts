import { createServer, type IncomingHttpHeaders, type RequestListener, request } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import { connect, type Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { onTestFinished } from 'vitest'
import type { Certificate } from './certificates.ts'
import { portOf, startListening } from './servers.ts'

export type EgressProxyOptions = {
  /** Its certificate, for an `https:` proxy. */
  readonly certificate?: Certificate
  /** The user name and the password that it requires, joined by a colon. */
  readonly credentials?: () => string
  /** Responds to `CONNECT` instead of opening a tunnel. */
  readonly onConnect?: (socket: Duplex) => void
  /** Sent in one packet behind the response to `CONNECT`. */
  readonly early?: string
  /** Sends what the server says first in one packet with the response to `CONNECT`. */
  readonly coalesces?: boolean
}

export type TestProxy = {
  readonly url: string
  /** The host and the port, as failures name them. */
  readonly name: string
  /** The method and the target of every request. */
  readonly targets: readonly string[]
  readonly headers: readonly IncomingHttpHeaders[]
  /** What clients sent through tunnels, as Latin-1. */
  readonly tunnelled: () => string
  /** Closes all tunnels. */
  readonly closeTunnels: () => void
}

/**
 * A forward proxy (RFC 9110 section 9.3.6, RFC 9112 section 3.2.2). It connects to every host on 127.0.0.1, so that
 * a test can use host names that nothing but the proxy resolves.
 */
export async function startEgressProxy(options: EgressProxyOptions = {}): Promise<TestProxy> {
  const { certificate, credentials, onConnect, early = '', coalesces = false } = options
  const targets: string[] = []
  const headers: IncomingHttpHeaders[] = []
  const sockets = new Set<Duplex>()
  let tunnelled = ''

  const isAuthorized = ({ 'proxy-authorization': given }: IncomingHttpHeaders): boolean =>
    credentials === undefined || given === `Basic ${Buffer.from(credentials()).toString('base64')}`

  const forward: RequestListener = (req, res) => {
    targets.push(`${req.method} ${req.url}`)
    headers.push(req.headers)
    if (!isAuthorized(req.headers)) {
      res.writeHead(407, { 'proxy-authenticate': 'Basic realm="egress"' }).end('not authorized')
      return
    }
    const url = URL.parse(req.url ?? '')
    if (url?.protocol !== 'http:') {
      res.writeHead(400).end()
      return
    }
    const { 'proxy-authorization': _credentials, ...forwarded } = req.headers
    const upstream = request({
      host: '127.0.0.1',
      port: Number(url.port) || 80,
      method: req.method,
      path: url.pathname + url.search,
      headers: { ...forwarded, host: url.host },
    })
    upstream.on('response', (response) => {
      res.writeHead(response.statusCode ?? 0, response.rawHeaders)
      response.pipe(res)
    })
    upstream.on('error', () => res.writeHead(502).end())
    req.pipe(upstream)
  }
  const server =
    certificate === undefined
      ? createServer(forward)
      : createTlsServer({ cert: certificate.certificate, key: certificate.key }, forward)
  server.on('connect', (req, socket, head) => {
    targets.push(`${req.method} ${req.url}`)
    headers.push(req.headers)
    sockets.add(socket)
    socket.on('error', () => socket.destroy())
    if (!isAuthorized(req.headers)) {
      socket.end(
        'HTTP/1.1 407 No\r\nProxy-Authenticate: Basic realm="egress"\r\nContent-Length: 0\r\n\r\n',
      )
      return
    }
    if (onConnect !== undefined) {
      onConnect(socket)
      return
    }
    const port = Number(new URL(`http://${req.url}`).port) || 80
    const target: Socket = connect({ port, host: '127.0.0.1', noDelay: true })
    sockets.add(target)
    const establish = (first: string): void => {
      socket.write(`HTTP/1.1 200 Connection established\r\n\r\n${first}`, 'latin1')
      target.write(head)
      target.pipe(socket).pipe(target)
    }
    if (coalesces) {
      target.once('data', (chunk: Buffer) => {
        target.pause()
        establish(chunk.toString('latin1'))
      })
    } else target.on('connect', () => establish(early))
    socket.on('data', (chunk: Buffer) => {
      tunnelled += chunk.toString('latin1')
    })
    target.on('error', () => socket.destroy())
    socket.on('close', () => target.destroy())
  })
  await startListening(server)
  const closeTunnels = (): void => {
    for (const socket of sockets) socket.destroy()
  }
  onTestFinished(closeTunnels)
  const name = `${certificate === undefined ? '127.0.0.1' : 'localhost'}:${portOf(server)}`
  return {
    url: `${certificate === undefined ? 'http' : 'https'}://${name}`,
    name,
    targets,
    headers,
    tunnelled: () => tunnelled,
    closeTunnels,
  }
}
