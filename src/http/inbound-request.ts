import type { X509Certificate } from 'node:crypto'
import type { Duplex } from 'node:stream'
import type { SidecarError } from '../errors.ts'
import type { RequestBody } from './request-body.ts'
import type { RequestHead } from './request-head.ts'
import type { TunnelReport } from './tunnel.ts'
import type { AbortSignalLike } from '../lib/abort-controller.ts'

/** Names and values alternate. */
export type FilterTrailers = (received: readonly string[]) => readonly string[]

/** A request of the application, whichever protocol carried it. */
export type InboundRequest = {
  readonly head: RequestHead
  /** Addresses are undefined on a Unix socket. */
  readonly connection: {
    readonly remoteAddress?: string | undefined
    readonly localPort?: number | undefined
    /** Whether TLS protects the connection. */
    readonly encrypted?: boolean | undefined
    /** The client certificate, which the handshake has verified. */
    readonly getPeerX509Certificate?: (() => X509Certificate | undefined) | undefined
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

/**
 * Sends the 101 response with these fields and joins the connection to `tunnel` until both have
 * ended; `idleMs` limits inactivity, 0 for no limit.
 */
export type SwitchProtocols = (
  tunnel: Duplex,
  fields: readonly string[],
  idleMs: number,
) => Promise<TunnelReport>
