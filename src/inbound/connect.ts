import { connect, isIP, type Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { clientClosed, SidecarError } from '../errors.ts'
import type { Clock } from '../lib/clock.ts'
import type { IntegrationMode } from '../lib/integration-mode.ts'
import { networkFault } from '../lib/network-fault.ts'
import { isToOwnListener, type OwnPorts } from '../lib/own-listener.ts'
import type { RouteMetrics } from '../observe/route-metrics.ts'
import type { AuthenticateCaller } from '../exchange/caller-authentication.ts'
import type { Recorder } from '../exchange/exchange-record.ts'
import type { FailureContext } from '../exchange/failure-response.ts'
import type { ConnectionOrigin, InboundRequest } from '../http/inbound-request.ts'
import type { RequestHead } from '../http/request-head.ts'
import { joinTunnel } from '../http/tunnel.ts'
import {
  type Destination,
  hostOfOrigin,
  type Interception,
  type PreparedHandshake,
} from './intercept.ts'

/** For tunnels to hosts that no route names. */
export type TunnelPolicy = {
  readonly name: string
  readonly metrics: RouteMetrics
  readonly connectMs: number
  /** Inactivity in both directions; 0 for no limit. */
  readonly idleMs: number
  /** Tunnels to the listeners of the sidecar itself are refused. */
  readonly ownPorts: OwnPorts
  /** Connects through a proxy within `connectMs`; undefined where hosts are connected to directly. */
  readonly connect?: ConnectThroughProxy
}

type ConnectThroughProxy = (
  destination: Destination,
  onConnected: (error: unknown, socket: Socket | null) => void,
) => void

export type ConnectHandlerOptions = {
  /** Undefined for a listener that serves every caller. */
  readonly authenticate: AuthenticateCaller | undefined
  readonly namesHost: (host: string) => boolean
  /** Undefined where they are not allowed. */
  readonly tunnels: TunnelPolicy | undefined
  /** For hosts that a route names; undefined where TLS is not intercepted. */
  readonly interception?: Interception | undefined
  readonly recorder: Recorder
  readonly clock: Clock
}

/** A `CONNECT` request, whichever protocol carried it. */
type TunnelRequest = {
  readonly head: RequestHead
  readonly connection: InboundRequest['connection']
  /** How the application uses the listener, unless the connection is intercepted. */
  readonly mode: IntegrationMode
  readonly client: Duplex
  /** What the client sent before the tunnel was open. */
  readonly early: Buffer
  /** Sends the successful response. */
  readonly accept: (upstream: Socket) => void
  /** Sends the successful response, and serves the client in the place of the host. */
  readonly intercept: (handshake: PreparedHandshake) => void
  readonly refuse: (failure: SidecarError, context: FailureContext) => void
}

export type ConnectHandler = (request: TunnelRequest) => Promise<void>

/** `CONNECT` (RFC 9110 section 9.3.6): a tunnel to a host that no route names, where that is allowed. */
export function createConnectHandler(options: ConnectHandlerOptions): ConnectHandler {
  const { authenticate, namesHost, tunnels, interception, recorder, clock } = options
  return async ({ head, mode, connection, client, early, accept, intercept, refuse }) => {
    const { origin } = connection
    const record = recorder.begin('CONNECT', head)
    let status = 200
    try {
      record.caller = authenticate?.(head, connection) // 407, 403
      refuseAmbiguous(head)
      const destination = parseDestination(head.target)
      record.path = head.target
      if (origin !== undefined) throw nested()
      if (interception !== undefined && namesHost(destination.authority)) {
        intercept(await interception.prepare(destination))
        recorder.intercepted()
        return
      }
      recorder.assignMode(record, mode)
      refuseRouted(destination, namesHost)
      if (tunnels === undefined) throw notAllowed()
      recorder.assignRoute(record, tunnels)
      const upstream = await open(destination, tunnels, client)
      accept(upstream)
      recorder.tunnelled(record, status)
      record.tunnel = await joinTunnel({ client, upstream, early }, tunnels.idleMs, clock)
    } catch (thrown) {
      if (record.mode === undefined) recorder.assignMode(record, origin?.mode ?? mode)
      const failure = recorder.fail(record, thrown)
      refuse(failure, record)
      status = failure.status
    }
    recorder.end(record, status)
  }
}

/** Fails as a `CONNECT` to this host and port would; `areAllowed` is whether any tunnels are allowed. */
export function checkTunnel(
  target: string,
  namesHost: ConnectHandlerOptions['namesHost'],
  areAllowed: boolean,
): void {
  refuseRouted(parseDestination(target), namesHost)
  if (!areAllowed) throw notAllowed()
}

/** The origin of the connection inside of a `CONNECT` with this target, if it is intercepted. */
export function interceptedOrigin(
  target: string,
  namesHost: ConnectHandlerOptions['namesHost'],
): ConnectionOrigin | undefined {
  const { authority, port } = parseDestination(target)
  if (!namesHost(authority)) return undefined
  return { host: hostOfOrigin(authority, port), scheme: 'https', mode: 'intercepted' }
}

function refuseRouted(
  { authority }: Destination,
  namesHost: ConnectHandlerOptions['namesHost'],
): void {
  if (!namesHost(authority)) return
  throw denied(
    'a route is for this host, and nothing can be added inside of a tunnel: call it by an http URL through this proxy, or by the base URL of the sidecar; or set "intercept"',
    ROUTED_ADVICE,
  )
}

function nested(): SidecarError {
  return denied(
    'CONNECT is not supported inside of an intercepted connection',
    'The application uses the host of a route as a proxy: have it use the sidecar as its proxy for every host.',
  )
}

function notAllowed(): SidecarError {
  return denied('no route is for this host; "forward: pass" allows tunnels', UNROUTED_ADVICE)
}

/** RFC 9112 section 3.2: exactly one Host field. */
function refuseAmbiguous({ hosts, version }: RequestHead): void {
  if (hosts.length > 1 || (hosts.length === 0 && version !== '1.0')) {
    throw new SidecarError(
      'request_invalid',
      `Cannot open a tunnel: expected one Host header, got ${hosts.length}`,
    )
  }
}

/** RFC 9112 section 3.2.3: a host and a port. */
function parseDestination(target: string): Destination {
  const {
    ipv6,
    name = ipv6,
    digits,
  } = /^(?:\[(?<ipv6>[\da-f:.]+)\]|(?<name>[\w\-.]+)):(?<digits>\d{1,5})$/i.exec(target)?.groups ??
  {}
  const port = Number(digits)
  if (name === undefined || (ipv6 !== undefined && isIP(ipv6) !== 6) || port < 1 || port > 65_535) {
    throw new SidecarError(
      'request_invalid',
      'Cannot open a tunnel: expected a host and a port as the target of CONNECT',
    )
  }
  // RFC 9110 section 9.3.6: an HTTP proxy must not relay mail and the like.
  if (port < 1024 && port !== 443 && port !== 80) {
    throw denied(
      'of the well-known ports only 443 and 80 can be reached',
      'No setting allows tunnels to other well-known ports: have the application connect to it directly.',
    )
  }
  const host = name.toLowerCase().replace(/\.$/, '')
  return { host, port, authority: `${ipv6 === undefined ? host : `[${host}]`}:${port}` }
}

const UNREACHABLE_ADVICE =
  'No route is for this host: check that it is up, that the application means this name and port, and the network between.'

/** Connects within `connectMs`, unless `client` closes before. */
async function open(
  destination: Destination,
  { connectMs, connect: connectThroughProxy, ownPorts }: TunnelPolicy,
  client: Duplex,
): Promise<Socket> {
  if (client.destroyed) throw clientClosed()
  const { promise, resolve, reject } = Promise.withResolvers<Socket>()
  const onClientEnd = (): void => {
    client.destroy()
    reject(clientClosed())
  }
  client.once('end', onClientEnd)
  client.once('close', onClientEnd)
  const cancel =
    connectThroughProxy === undefined
      ? connectDirectly(destination, connectMs, { resolve, reject })
      : connectProxied(destination, connectThroughProxy, { resolve, reject })
  try {
    const socket = await promise
    if (connectThroughProxy === undefined && isToOwnListener(socket, ownPorts)) throw ownListener()
    return socket
  } catch (cause) {
    cancel()
    if (cause instanceof SidecarError) throw cause
    const fault = networkFault(cause)
    throw new SidecarError(
      fault?.kind === 'timeout' ? 'upstream_timeout' : 'upstream_unreachable',
      `Cannot open a tunnel: ${fault?.reason ?? 'the connection failed'}`,
      { cause, advice: UNREACHABLE_ADVICE },
    )
  } finally {
    client.off('end', onClientEnd)
    client.off('close', onClientEnd)
  }
}

type Outcome = {
  readonly resolve: (socket: Socket) => void
  readonly reject: (error: unknown) => void
}

/** Returns a function that cancels the attempt. */
function connectDirectly(
  { host, port }: Destination,
  timeoutMs: number,
  { resolve, reject }: Outcome,
): () => void {
  const socket = connect({ host, port, autoSelectFamily: true, allowHalfOpen: true, noDelay: true })
  const timer = setTimeout(
    () => socket.destroy(Object.assign(new Error('connection timed out'), { code: 'ETIMEDOUT' })),
    timeoutMs,
  )
  socket.once('connect', () => {
    clearTimeout(timer)
    resolve(socket)
  })
  socket.on('error', reject)
  socket.once('close', () => clearTimeout(timer))
  return () => socket.destroy()
}

/** The same through a proxy. */
function connectProxied(
  destination: Destination,
  connectThroughProxy: ConnectThroughProxy,
  { resolve, reject }: Outcome,
): () => void {
  let isCancelled = false
  connectThroughProxy(destination, (error, socket) => {
    if (socket === null) reject(error)
    else if (isCancelled) socket.destroy()
    else resolve(socket)
  })
  return () => {
    isCancelled = true
  }
}

const ROUTED_ADVICE =
  'The application calls a host that has a route by https, through a tunnel in which the sidecar can add no token. Have it call the plain-http base URL of the sidecar, or http:// instead of https:// through the proxy: the sidecar goes on by TLS if "upstream" of the route is https. Or set "intercept", and have the application trust the CA of the sidecar.'

const UNROUTED_ADVICE =
  'If the tunnel is meant to be made, "forward: pass" allows it. If the host needs a token, add a route for it and have the application call it by an http URL: a tunnel can carry none.'

function denied(why: string, advice: string): SidecarError {
  return new SidecarError('egress_denied', `Cannot open a tunnel: ${why}`, { advice })
}

function ownListener(): SidecarError {
  return denied(
    'its destination is a listener of the sidecar itself',
    'Have the application send its requests to that listener directly.',
  )
}
