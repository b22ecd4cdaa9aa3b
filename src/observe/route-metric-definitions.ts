import type { Sample } from './exposition.ts'
import { histogramSamples, type MetricDefinition } from './metric-definition.ts'
import type { RouteMetrics } from './route-metrics.ts'

export type WatchedRejections = {
  readonly route: string
  readonly read: () => { readonly isEveryRequestRejected: boolean } | undefined
}

/** The metrics with the label `route`. */
export function routeMetricDefinitions(sources: {
  readonly routes: ReadonlyMap<string, RouteMetrics>
  readonly rejections: () => readonly WatchedRejections[]
}): MetricDefinition[] {
  const perRoute =
    (read: (metrics: ReturnType<RouteMetrics['read']>, route: string) => Sample[]) => () =>
      [...sources.routes].flatMap(([route, metrics]) => read(metrics.read(), route))
  return [
    {
      name: 'token_sidecar_requests_total',
      type: 'counter',
      help: 'Completed requests, by the status that the client received',
      labels: ['route', 'method', 'status'],
      read: perRoute(({ requests }, route) =>
        requests.map(({ method, status, count }) => ({
          labels: { route, method, status },
          value: count,
        })),
      ),
    },
    {
      name: 'token_sidecar_request_failures_total',
      type: 'counter',
      help: 'Requests that the sidecar itself failed, by code; every code is exposed from the start, with 0',
      labels: ['route', 'code'],
      read: perRoute(({ failures }, route) =>
        failures.map(({ code, count }) => ({ labels: { route, code }, value: count })),
      ),
    },
    {
      name: 'token_sidecar_requests_in_flight',
      type: 'gauge',
      help: 'Requests in flight',
      labels: ['route'],
      read: perRoute(({ inFlight }, route) => [{ labels: { route }, value: inFlight }]),
    },
    {
      name: 'token_sidecar_request_duration_seconds',
      type: 'histogram',
      help: 'Time from receiving the request head to the end of the response',
      labels: ['route'],
      read: perRoute(({ duration }, route) => histogramSamples({ route }, duration)),
    },
    {
      name: 'token_sidecar_upstream_response_seconds',
      type: 'histogram',
      help: 'Time from sending the request to receiving the response head of the upstream',
      labels: ['route'],
      read: perRoute(({ upstream }, route) => histogramSamples({ route }, upstream)),
    },
    {
      name: 'token_sidecar_token_wait_seconds',
      type: 'histogram',
      help: 'How long requests waited for a token because none was cached; the count should not grow once the sidecar is ready',
      labels: ['route'],
      read: perRoute(({ tokenWait }, route) => histogramSamples({ route }, tokenWait)),
    },
    {
      name: 'token_sidecar_grpc_calls_total',
      type: 'counter',
      help: 'gRPC calls by the status that the application received',
      labels: ['route', 'grpc_status'],
      read: perRoute(({ grpcCalls }, route) =>
        grpcCalls.map(({ status, count }) => ({
          labels: { route, grpc_status: status },
          value: count,
        })),
      ),
    },
    {
      name: 'token_sidecar_upstream_responses_total',
      type: 'counter',
      help: 'Responses of the upstream, by its protocol',
      labels: ['route', 'protocol'],
      read: perRoute(({ protocols }, route) =>
        [...protocols].map(([protocol, value]) => ({ labels: { route, protocol }, value })),
      ),
    },
    {
      name: 'token_sidecar_upstream_unauthorized_total',
      type: 'counter',
      help: 'Responses with status 401 from the upstream, and gRPC calls with UNAUTHENTICATED, that reached the application',
      labels: ['route'],
      read: perRoute(({ unauthorized }, route) => [{ labels: { route }, value: unauthorized }]),
    },
    {
      name: 'token_sidecar_upstream_forbidden_total',
      type: 'counter',
      help: 'Responses with status 403 from the upstream, and gRPC calls with PERMISSION_DENIED',
      labels: ['route'],
      read: perRoute(({ forbidden }, route) => [{ labels: { route }, value: forbidden }]),
    },
    {
      name: 'token_sidecar_upstream_rejecting',
      type: 'gauge',
      help: '1 if the upstream has responded only with 401 or 403 since its last successful response, else 0; it does not change while the route is not used',
      labels: ['route'],
      read: () =>
        sources.rejections().map(({ route, read }) => ({
          labels: { route },
          value: Number(read()?.isEveryRequestRejected ?? false),
        })),
    },
    {
      name: 'token_sidecar_replays_total',
      type: 'counter',
      help: 'Requests that were replayed with a new token because the upstream rejected the token',
      labels: ['route'],
      read: perRoute(({ replays }, route) => [{ labels: { route }, value: replays }]),
    },
    {
      name: 'token_sidecar_retries_total',
      type: 'counter',
      help: 'Requests that were retried because the upstream had closed an idle connection (stale connection)',
      labels: ['route'],
      read: perRoute(({ retries }, route) => [{ labels: { route }, value: retries }]),
    },
    {
      name: 'token_sidecar_tunnels_open',
      type: 'gauge',
      help: 'Open WebSockets, other upgraded connections and CONNECT tunnels',
      labels: ['route'],
      read: perRoute(({ tunnels }, route) => [{ labels: { route }, value: tunnels.open }]),
    },
    {
      name: 'token_sidecar_tunnels_opened_total',
      type: 'counter',
      help: 'WebSockets, other upgraded connections and CONNECT tunnels that were opened; their requests count with status 1xx, and 2xx for CONNECT',
      labels: ['route'],
      read: perRoute(({ tunnels }, route) => [{ labels: { route }, value: tunnels.opened }]),
    },
    {
      name: 'token_sidecar_tunnel_bytes_total',
      type: 'counter',
      help: 'Bytes transferred by upgraded connections and tunnels that have ended',
      labels: ['route', 'direction'],
      read: perRoute(({ tunnels }, route) => [
        { labels: { route, direction: 'to_upstream' }, value: tunnels.bytesToUpstream },
        { labels: { route, direction: 'to_client' }, value: tunnels.bytesToClient },
      ]),
    },
  ]
}
