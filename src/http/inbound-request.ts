import type { X509Certificate } from 'node:crypto'
import type { Duplex } from 'node:stream'
import type { SidecarError } from '../errors.ts'
import type { RequestBody } from './request-body.ts'
import type { RequestHead } from './request-head.ts'
import type { TunnelReport } from './tunnel.ts'
import type { AbortSignalLike } from '../lib/abort-controller.ts'
import type { IntegrationMode } from '../lib/integration-mode.ts'

/** Names and values alternate. */
export type FilterTrailers = (received: readonly string[]) => readonly string[]

/** The origin that the client opened its connection to, where it is not the sidecar. */
export type ConnectionOrigin = {
  /**
   * In lower case, with its port unless that is the default of the scheme. Undefined where only the Host field of each
   * request tells it.
   */
  readonly host: string | undefined
  readonly scheme: 'https' | 'http'
  readonly mode: Extract<IntegrationMode, 'intercepted' | 'transparent'>
  /** The server name of the TLS handshake, if it is another host. */
  readonly otherServerName?: string | undefined
}

/** A request of the application, whichever protocol carried it. */
export type InboundRequest = {
  readonly head: RequestHead
  readonly mode: IntegrationMode
  /** Addresses are undefined on a Unix socket. */
  readonly connection: {
    readonly remoteAddress?: string | undefined
    readonly localPort?: number | undefined
    /** Whether TLS protects the connection. */
    readonly encrypted?: boolean | undefined
    /** The client certificate, which the handshake has verified. */
    readonly getPeerX509Certificate?: (() => X509Certificate | undefined) | undefined
    readonly origin?: ConnectionOrigin | undefined
    /** For an intercepted connection. */
    readonly openedBy?: ConnectRequest | undefined
  }
  /**
   * To be called once, if a body is announced. Up to `keepBytes` are kept so that it can be sent again;
   * `filterTrailers` selects the trailer fields to forward.
   */
  readonly openBody: (keepBytes: number, filterTrailers: FilterTrailers) => RequestBody
  /** Aborts when the client leaves, and by `abort`; the reason is a SidecarError. */
  readonly signal: AbortSignalLike
  readonly abort: (reason: SidecarError) => void
  /** Undefined where the connection cannot become a tunnel. */
  readonly switchProtocols: SwitchProtocols | undefined
}

/** The `CONNECT` that opened an intercepted connection, and the connection that it arrived on. */
type ConnectRequest = Pick<InboundRequest, 'head' | 'connection'>

/**
 * Sends the 101 response with these fields and joins the connection to `tunnel` until both have
 * ended; `idleMs` limits inactivity, 0 for no limit.
 */
export type SwitchProtocols = (
  tunnel: Duplex,
  fields: readonly string[],
  idleMs: number,
) => Promise<TunnelReport>
