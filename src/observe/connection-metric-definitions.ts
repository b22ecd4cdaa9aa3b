import type { Sample } from './exposition.ts'
import type { Http2Metrics } from './http2-metrics.ts'
import type { InboundRequests } from './inbound-requests.ts'
import type { InterceptionRecord } from './interception-record.ts'
import type { MetricDefinition } from './metric-definition.ts'
import type { RejectedCallers } from './rejected-callers.ts'

export type WatchedUpstream = {
  readonly origin: string
  readonly read: () => { connected: number; running: number; queued: number }
}

/** The metrics of connections and protocols, on both sides. */
export function connectionMetricDefinitions(sources: {
  readonly upstreams: () => readonly WatchedUpstream[]
  readonly otherProtocols: ReadonlyMap<string, number>
  readonly rejectedCallers: RejectedCallers
  readonly rejectedConnections: ReadonlyMap<string, number>
  readonly inboundRequests: Pick<InboundRequests, 'read'>
  readonly interception: Pick<InterceptionRecord, 'list'>
  readonly http2: { readonly client: Http2Metrics; readonly upstream: Http2Metrics }
}): MetricDefinition[] {
  const { otherProtocols, rejectedConnections, inboundRequests, interception } = sources
  const perUpstream = (value: (state: ReturnType<WatchedUpstream['read']>) => number) => () =>
    [...Map.groupBy(sources.upstreams(), ({ origin }) => origin)].map(([origin, pools]) => ({
      labels: { upstream: origin },
      value: pools.reduce((sum, { read }) => sum + value(read()), 0),
    }))
  const perSide = (read: (reading: ReturnType<Http2Metrics['read']>) => Sample[]) => () =>
    Object.entries(sources.http2).flatMap(([side, metrics]) =>
      read(metrics.read()).map(({ labels, value }) => ({ labels: { side, ...labels }, value })),
    )
  return [
    {
      name: 'token_sidecar_upstream_connections',
      type: 'gauge',
      help: 'Open connections to the upstream',
      labels: ['upstream'],
      read: perUpstream(({ connected }) => connected),
    },
    {
      name: 'token_sidecar_upstream_requests_running',
      type: 'gauge',
      help: 'Requests in flight to the upstream',
      labels: ['upstream'],
      read: perUpstream(({ running }) => running),
    },
    {
      name: 'token_sidecar_upstream_requests_queued',
      type: 'gauge',
      help: 'Requests that wait for a connection to the upstream because the limit of the route is reached',
      labels: ['upstream'],
      read: perUpstream(({ queued }) => queued),
    },
    {
      name: 'token_sidecar_other_protocol_connections_total',
      type: 'counter',
      help: 'Connections to the proxy listener on which a client used a protocol other than HTTP, by protocol; `tls` means that a client uses https to the sidecar itself',
      labels: ['protocol'],
      read: () => [...otherProtocols].map(([protocol, value]) => ({ labels: { protocol }, value })),
    },
    {
      name: 'token_sidecar_rejected_connections_total',
      type: 'counter',
      help: 'Redirected connections that a transparent listener rejected, by reason; the log has the host',
      labels: ['reason'],
      read: () =>
        [...rejectedConnections].map(([reason, value]) => ({ labels: { reason }, value })),
    },
    {
      name: 'token_sidecar_inbound_requests_total',
      type: 'counter',
      help: 'Requests of applications, by protocol and integration mode',
      labels: ['protocol', 'mode'],
      read: () => inboundRequests.read(),
    },
    {
      name: 'token_sidecar_intercept_handshakes_total',
      type: 'counter',
      help: 'TLS handshakes with applications on intercepted connections, by the host that a route names and outcome; `unknown_ca`, `bad_certificate` and `closed` mean that an application may not trust the CA of the sidecar, or pins another certificate',
      labels: ['host', 'outcome'],
      read: () =>
        interception
          .list()
          .flatMap(({ host, handshakes }) =>
            [...handshakes].map(([outcome, value]) => ({ labels: { host, outcome }, value })),
          ),
    },
    {
      name: 'token_sidecar_rejected_callers_total',
      type: 'counter',
      help: 'Requests of callers that the listener does not serve: without credentials, with invalid ones, or with a certificate that is not allowed',
      labels: ['listener', 'reason'],
      read: () =>
        sources.rejectedCallers.read().map(({ listener, reason, requests }) => ({
          labels: { listener, reason },
          value: requests,
        })),
    },
    {
      name: 'token_sidecar_http2_sessions_open',
      type: 'gauge',
      help: 'HTTP/2 connections that are open, by side: `client` is the application',
      labels: ['side'],
      read: perSide(({ sessions }) => [{ labels: {}, value: sessions }]),
    },
    {
      name: 'token_sidecar_http2_streams_open',
      type: 'gauge',
      help: 'HTTP/2 streams that are open',
      labels: ['side'],
      read: perSide(({ streams }) => [{ labels: {}, value: streams }]),
    },
    {
      name: 'token_sidecar_http2_goaway_total',
      type: 'counter',
      help: 'GOAWAY frames, by their error code; `NO_ERROR` is a graceful shutdown',
      labels: ['side', 'direction', 'reason'],
      read: perSide(({ goaways }) => goaways.map(frameSample)),
    },
    {
      name: 'token_sidecar_http2_resets_total',
      type: 'counter',
      help: 'RST_STREAM frames, by their error code; a client that cancels a request sends `CANCEL`',
      labels: ['side', 'direction', 'reason'],
      read: perSide(({ resets }) => resets.map(frameSample)),
    },
  ]
}

function frameSample({
  direction,
  reason,
  count,
}: ReturnType<Http2Metrics['read']>['resets'][number]): Sample {
  return { labels: { direction, reason }, value: count }
}
