import type { IncomingMessage } from 'node:http'
import type { Connections } from './connections.ts'
import { isLingering } from './linger.ts'
import { mayUpgrade } from './upgrade.ts'

/** How often `headersTimeout` is checked. */
const CHECK_INTERVAL_MS = 1_000

/** Options for a server of node:http. */
export function http1Options(
  maxHeaderBytes: number,
  connections: Pick<Connections, 'isSurplus' | 'pendingResponse'>,
) {
  return {
    maxHeaderSize: maxHeaderBytes,
    connectionsCheckingInterval: CHECK_INTERVAL_MS,
    // An upload may take as long as it makes progress.
    requestTimeout: 0,
    insecureHTTPParser: false,
    // Emits no events for the bodies of requests that have none.
    optimizeEmptyRequests: true,
    // A missing Host is refused in parseRequestTarget, with an explanation.
    requireHostHeader: false,
    // While a response is pending, Upgrade is ignored, as RFC 9110 section 7.8 allows.
    shouldUpgradeCallback: (req: IncomingMessage) =>
      mayUpgrade(req) &&
      !isLingering(req.socket) &&
      req.socket.writable &&
      !connections.isSurplus(req.socket) &&
      connections.pendingResponse(req.socket) === undefined,
  }
}
