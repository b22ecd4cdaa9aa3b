import { isIP, type Socket } from 'node:net'
import type { ProxyConfig } from '../config/proxy-schema.ts'
import type { ConfigEnvironment } from '../config/secret-reader.ts'
import { SidecarError } from '../errors.ts'
import type { Clock } from '../lib/clock.ts'
import { createNoProxyMatcher } from '../lib/no-proxy.ts'
import type { TlsMaterial } from '../lib/tls-material.ts'
import { proxyFailure } from '../http/upstream-failure.ts'
import { rejection } from '../outbound/connect-request.ts'
import { type Connect, createConnector } from '../outbound/connector.ts'
import { type EgressProxy, readEgressProxy } from '../outbound/egress-proxy.ts'
import { createProxyConnector, createTunnelOpener } from '../outbound/proxy-connector.ts'
import type { EndpointProxy } from '../tokens/endpoint-client.ts'
import { egressProxyOptions } from './egress-proxy.ts'

export type EndpointProxyOptions = {
  readonly timeoutMs: number
  readonly clock: Clock
}

/** The proxy for requests to an authorization server. Its files are read for each request. */
export function composeEndpointProxy(
  config: ProxyConfig,
  environment: ConfigEnvironment,
  { timeoutMs, clock }: EndpointProxyOptions,
): EndpointProxy {
  const { env } = environment
  const options = egressProxyOptions(config, environment)
  const read = async (): Promise<EgressProxy> => {
    try {
      return await readEgressProxy(options)
    } catch (cause) {
      throw new SidecarError(
        'token_unavailable',
        'Cannot connect to the proxy of the credential: a file of the proxy is not readable, or the user name contains a colon',
        { cause },
      )
    }
  }
  return {
    isBypassed: createNoProxyMatcher(env['NO_PROXY'] ?? env['no_proxy'] ?? ''),
    async prepare(url, tls) {
      const { origin, pathname, search, protocol } = url
      const path = pathname + search
      const proxy = await read()
      const limits = { origin, timeoutMs, clock }
      if (protocol === 'https:') {
        const connector = tunnelConnector(url, tls, proxy, limits)
        return {
          connect: async () => await connected(connector),
          path,
          headers: {},
          rejection: () => undefined,
        }
      }
      const connector = createProxyConnector(proxy, limits)
      const authorization = proxy.authorization()?.reveal()
      return {
        connect: async () => await connected(connector),
        path: origin + path,
        headers: authorization === undefined ? {} : { 'proxy-authorization': authorization },
        rejection: (status, fields) =>
          status === 407
            ? tokenFailure(proxyFailure(origin, rejection(proxy, status, fields)))
            : undefined,
      }
    },
  }
}

function tunnelConnector(
  { hostname: host, port: given }: URL,
  tls: TlsMaterial,
  proxy: EgressProxy,
  limits: EndpointProxyOptions & { readonly origin: string },
): Connect {
  const hostname = host.replace(/^\[|\]$/g, '')
  const port = Number(given) || 443
  return createConnector({
    ...limits,
    hostname,
    port,
    tls: { ...tls, servername: tls.servername ?? (isIP(hostname) === 0 ? hostname : '') },
    alpn: ['http/1.1'],
    openTransport: createTunnelOpener(proxy, { hostname, port }, limits),
  })
}

async function connected(connect: Connect): Promise<Socket> {
  const { promise, resolve, reject } = Promise.withResolvers<Socket>()
  connect((error, socket) => {
    if (socket !== null) resolve(socket)
    else reject(error instanceof SidecarError ? tokenFailure(error) : error)
  }, false)
  return await promise
}

/** The same failure, of a token request. */
function tokenFailure({ message, cause }: SidecarError): SidecarError {
  return new SidecarError('token_unavailable', message, { cause })
}
