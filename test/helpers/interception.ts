import { once } from 'node:events'
import { connect as connectTcp, type Socket } from 'node:net'
import { connect as connectTls, type ConnectionOptions, type TLSSocket } from 'node:tls'
import { onTestFinished } from 'vitest'
import { type Authority, createAuthority } from './certificates.ts'
import { fileWith } from './credential-call.ts'
import { CLIENT_ID, CLIENT_SECRET } from './servers.ts'
import { type RunningSidecar, startSidecar } from './sidecar.ts'
import { sendToken, startTokenEndpoint } from './token-endpoint.ts'

export const INTERCEPTED_TOKEN = 'intercepted-token-canary-0815'

export type InterceptingSidecar = RunningSidecar & {
  readonly authority: Authority
}

export type InterceptedRoute = {
  readonly host: string
  readonly upstream: string
  /** Further settings in the flow style of YAML, such as `http2: always`. */
  readonly settings?: string
}

/** A sidecar with a supplied CA that intercepts TLS to the hosts of these routes, which all get a token. */
export async function startIntercepting(
  routes: readonly InterceptedRoute[],
  more = '',
  listen?: string,
): Promise<InterceptingSidecar> {
  const authority = await createAuthority()
  const endpoint = await startTokenEndpoint((_request, res) =>
    sendToken(res, { access_token: INTERCEPTED_TOKEN }),
  )
  const lines = routes.map(
    ({ host, upstream, settings = '' }, index) =>
      `  - { name: route-${index}, match: { host: '${host}' }, upstream: '${upstream}', credential: corp${settings === '' ? '' : `, ${settings}`} }`,
  )
  const sidecar = await startSidecar(
    `
intercept:
  ca:
    cert: { file: ${await fileWith(authority.certificate)} }
    key: { file: ${await fileWith(authority.key)} }
credentials:
  corp:
    tokenEndpoint: ${endpoint.url}
    clientId: ${CLIENT_ID}
    auth: { method: client_secret_basic, clientSecret: { value: ${CLIENT_SECRET} } }
routes:
${lines.join('\n')}
${more}`,
    {},
    listen,
  )
  return { ...sidecar, authority }
}

/** A connection on which CONNECT to `target` has succeeded. */
export async function openTunnelTo(proxyUrl: string, target: string): Promise<Socket> {
  const { hostname, port } = new URL(proxyUrl)
  const socket = connectTcp({ host: hostname, port: Number(port), allowHalfOpen: true })
  socket.on('error', () => {})
  onTestFinished(() => void socket.destroy())
  socket.write(`CONNECT ${target} HTTP/1.1\r\nHost: ${target}\r\n\r\n`)
  const [response]: Buffer[] = await once(socket, 'data')
  if (response?.toString() !== 'HTTP/1.1 200 Connection Established\r\n\r\n') {
    throw new Error(`CONNECT was refused: ${response?.toString()}`)
  }
  return socket
}

/** TLS through the sidecar, to the host in `target` unless `options` name another one. */
export async function openIntercepted(
  { proxyUrl, authority }: Pick<InterceptingSidecar, 'proxyUrl' | 'authority'>,
  target: string,
  options: ConnectionOptions = {},
): Promise<TLSSocket> {
  const tunnel = await openTunnelTo(proxyUrl, target)
  const socket = connectTls({
    socket: tunnel,
    servername: target.replace(/:\d+$/, ''),
    ca: authority.certificate,
    ...options,
  })
  onTestFinished(() => void socket.destroy())
  await once(socket, 'secureConnect')
  return socket
}
