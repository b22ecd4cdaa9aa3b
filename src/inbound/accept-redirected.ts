import type { Server } from 'node:http'
import type { Socket } from 'node:net'
import type { Clock } from '../lib/clock.ts'
import type { Connections } from './connections.ts'
import type { Interception, PreparedHandshake } from './intercept.ts'
import {
  createRedirectedConnections,
  type RedirectedConnectionPolicy,
  type RedirectedConnections,
} from './redirected-connections.ts'
import type { OriginConnection } from './served-origins.ts'

export type RedirectedService = {
  /** Whether a route names this host at the default port of https. */
  readonly namesHost: (host: string) => boolean
  /** The same for a `Host` field of plain HTTP, which may have a port. */
  readonly namesHttpHost: (host: string) => boolean
  /** Undefined where TLS is not intercepted. */
  readonly interception: Interception | undefined
}

export type AcceptRedirectedOptions = {
  readonly policy: RedirectedConnectionPolicy
  /** What serves the next connection; a reload changes it. */
  readonly service: () => RedirectedService
  readonly connections: Pick<Connections, 'opened' | 'isSurplus'>
  /** Serves HTTP on a connection. */
  readonly serve: (client: Socket, connection: OriginConnection) => void
  /** Serves TLS on a connection. */
  readonly intercept: (client: Socket, handshake: PreparedHandshake) => void
  readonly clock: Clock
}

/** Takes over the connections that a server accepts, which were opened to other hosts. */
export function acceptRedirected(
  server: Server,
  { policy, service, connections, serve, intercept, clock }: AcceptRedirectedOptions,
): Pick<RedirectedConnections, 'closeIdle'> {
  const { accept, closeIdle } = createRedirectedConnections({
    ...policy,
    namesHost: (host) => service().namesHost(host),
    interceptsTls: () => service().interception !== undefined,
    isSurplus: connections.isSurplus,
    serveHttp: (client) =>
      serve(client, {
        remoteAddress: client.remoteAddress,
        localPort: client.localPort,
        encrypted: false,
        origin: { host: undefined, scheme: 'http', mode: 'transparent' },
        onUsed() {},
      }),
    async serveTls(client, host) {
      const { interception } = service()
      if (interception === undefined) throw new Error('TLS is not intercepted')
      const handshake = await interception.prepare({ host, port: 443, authority: `${host}:443` })
      if (!client.destroyed) intercept(client, handshake)
    },
    timeoutMs: () => server.headersTimeout,
    clock,
  })
  server.on('connection', (client) => {
    connections.opened(client)
    accept(client)
  })
  return { closeIdle }
}
