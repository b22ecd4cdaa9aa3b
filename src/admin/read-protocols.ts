import type { Http2Reading } from '../observe/http2-metrics.ts'
import type { ProtocolFigures } from '../observe/metrics.ts'
import type { ProtocolsStatus, ProtocolStatus } from './status.ts'

export function protocolsStatus({ client, upstream }: ProtocolFigures): ProtocolsStatus {
  return {
    client: protocolStatus(client.requests, client.http2),
    upstream: protocolStatus(upstream.requests, upstream.http2),
  }
}

/** Without counters that are 0, which exist only for rates. */
function protocolStatus(
  requests: ReadonlyMap<string, number>,
  { sessions, streams, goaways, resets }: Http2Reading,
): ProtocolStatus {
  return {
    requests: Object.fromEntries([...requests].filter(([, count]) => count > 0)),
    http2: {
      connections: sessions,
      streams,
      goaways: goaways.filter(({ count }) => count > 0),
      resets: resets.filter(({ count }) => count > 0),
    },
  }
}
