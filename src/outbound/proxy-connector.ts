import { isIP } from 'node:net'
import { SidecarError } from '../errors.ts'
import { proxyFailure } from '../http/upstream-failure.ts'
import type { Clock } from '../lib/clock.ts'
import { networkFault } from '../lib/network-fault.ts'
import type { TlsMaterial } from '../lib/tls-material.ts'
import { requestTunnel } from './connect-request.ts'
import { type Connect, createConnector, type OpenTransport } from './connector.ts'
import type { EgressProxy } from './egress-proxy.ts'

export type ProxyConnectorOptions = {
  /** The upstream, for messages. */
  readonly origin: string
  readonly timeoutMs: number
  readonly clock: Clock
}

/** Connects to a proxy, with TLS if it is an `https:` proxy. Fails with `upstream_proxy`. */
export function createProxyConnector(
  proxy: EgressProxy,
  { origin, timeoutMs, clock }: ProxyConnectorOptions,
): Connect {
  const { name, hostname, port } = proxy
  let current: { readonly tls: TlsMaterial | undefined; readonly connect: Connect } | undefined
  const connectorFor = (tls: TlsMaterial | undefined): Connect => {
    // A connector keeps the TLS session, so it is replaced only when the certificates change.
    if (current?.tls !== tls || current === undefined) {
      const material = tls && { ...tls, servername: isIP(hostname) === 0 ? hostname : '' }
      const options = { origin, hostname, port, tls: material, timeoutMs, clock }
      current = { tls, connect: createConnector({ ...options, alpn: ['http/1.1'] }) }
    }
    return current.connect
  }
  return (onConnected, verifiesEnd) => {
    connectorFor(proxy.tls())((error, socket, end) => {
      onConnected(
        socket === null ? proxyFailure(origin, reasonOf(name, error), error) : null,
        socket,
        end,
      )
    }, verifiesEnd)
  }
}

/** Opens tunnels through a proxy to `destination`, a host and a port (RFC 9110 section 9.3.6). */
export function createTunnelOpener(
  proxy: EgressProxy,
  { hostname, port }: { readonly hostname: string; readonly port: number },
  options: ProxyConnectorOptions & { readonly allowsEarlyData?: boolean },
): OpenTransport {
  const connect = createProxyConnector(proxy, options)
  const authority = `${isIP(hostname) === 6 ? `[${hostname}]` : hostname}:${port}`
  const { origin, allowsEarlyData = false } = options
  const request = { authority, proxy, origin, allowsEarlyData }
  return (onOpen) => {
    let onTimeout: (() => void) | undefined
    connect((error, socket) => {
      if (socket === null) onOpen(error, null)
      else onTimeout = requestTunnel(socket, request, onOpen)
    }, false)
    // Before it is connected, the equal time limit of `connect` applies.
    return () => onTimeout?.()
  }
}

function reasonOf(name: string, error: unknown): string {
  const isTimeout = error instanceof SidecarError && error.code === 'upstream_timeout'
  const fault = networkFault(error)
  if (isTimeout || fault?.kind === 'timeout') return `connection to the proxy "${name}" timed out`
  // Advice behind a semicolon is for the upstream.
  const [reason = 'the connection failed'] = fault?.reason.split(';') ?? []
  return fault?.kind === 'tls'
    ? `TLS connection to the proxy "${name}" failed: ${reason}`
    : `cannot connect to the proxy "${name}": ${reason}`
}
