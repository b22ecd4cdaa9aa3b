/** A query and the legend of its lines, in which `{{route}}` is the value of a label. */
type Query = readonly [expr: string, legend: string]

type Kind =
  | { readonly type: 'timeseries'; readonly stacked?: boolean }
  | { readonly type: 'stat'; readonly words?: Readonly<Record<string, Word>> }

/** The text and colour of a value; colours are named as in Grafana, for the dark and the light theme. */
type Word = { readonly text: string; readonly color: Color }
type Color = 'green' | 'yellow' | 'orange' | 'red' | 'blue' | 'purple'

type Panel = {
  readonly title: string
  /** What the panel shows, and what to do if the values are abnormal. */
  readonly about: string
  readonly kind?: Kind
  readonly unit: string
  readonly queries: readonly Query[]
  /** Thresholds from which on a value has another colour. */
  readonly steps?: readonly (readonly [value: number, color: Color])[]
  readonly max?: number
  /** Whether values may be negative. */
  readonly signed?: boolean
  /** Colours of lines, by name. */
  readonly colors?: Readonly<Record<string, Color>>
  /** The alert to whose section of the runbook the panel links. */
  readonly alert?: string
}

type Row = { readonly title: string; readonly panels: readonly Panel[] }

const SELECTED = 'job=~"$job", instance=~"$instance"'
const OF_ROUTE = `{${SELECTED}, route=~"$route"}`
const OF_CREDENTIAL = `{${SELECTED}, credential=~"$credential"}`
const OF_INSTANCE = `{${SELECTED}}`

const rate = (metric: string, matchers: string): string =>
  `rate(${metric}${matchers}[$__rate_interval])`
const and = (matchers: string, more: string): string => matchers.replace(/\}$/, `, ${more}}`)
const quantile = (share: number, metric: string, matchers: string, by = ''): string =>
  `histogram_quantile(${share}, sum by (le${by}) (${rate(`${metric}_bucket`, matchers)}))`

const REQUESTS = rate('token_sidecar_requests_total', OF_ROUTE)
const ERRORS = rate('token_sidecar_requests_total', and(OF_ROUTE, 'status="5xx"'))
const REMAINING = `token_sidecar_token_expiry_timestamp_seconds${OF_CREDENTIAL} - time()`

const STATUS_COLORS = {
  '1xx': 'purple',
  '2xx': 'green',
  '3xx': 'blue',
  '4xx': 'yellow',
  '5xx': 'red',
} as const

const ROWS: readonly Row[] = [
  {
    title: 'Overview',
    panels: [
      {
        title: 'Alerts',
        about: 'Alerts that are firing now. The runbook has a section for each.',
        kind: { type: 'stat' },
        unit: 'none',
        queries: [
          [
            'count(ALERTS{alertname=~"TokenSidecar.*", alertstate="firing", job=~"$job"}) or vector(0)',
            'firing',
          ],
        ],
        steps: [[1, 'red']],
      },
      {
        title: 'Sidecars',
        about:
          'Instances that Prometheus scrapes. If some are missing, check their exit status and events in the orchestrator.',
        kind: { type: 'stat' },
        unit: 'none',
        queries: [[`count(token_sidecar_build_info${OF_INSTANCE}) or vector(0)`, 'up']],
        alert: 'TokenSidecarDown',
      },
      {
        title: 'Request rate',
        about:
          'Completed requests per second. If there are none, check whether the application runs and uses the sidecar.',
        kind: { type: 'stat' },
        unit: 'reqps',
        queries: [[`sum(${REQUESTS})`, 'requests']],
      },
      {
        title: 'Errors',
        about:
          'The ratio of requests with a 5xx status, from the sidecar or the API. “Sidecar failures” below shows those of the sidecar; all others are from the API.',
        kind: { type: 'stat' },
        unit: 'percentunit',
        queries: [[`(sum(${ERRORS}) or vector(0)) / sum(${REQUESTS})`, '5xx']],
        steps: [
          [0.005, 'yellow'],
          [0.03, 'red'],
        ],
        alert: 'TokenSidecarErrorBudgetBurnsFast',
      },
      {
        title: 'Latency, p95',
        about:
          'The 95th percentile of the request duration. “Latency, total and API” below compares it with the response time of the API.',
        kind: { type: 'stat' },
        unit: 's',
        queries: [[quantile(0.95, 'token_sidecar_request_duration_seconds', OF_ROUTE), 'p95']],
        steps: [
          [1, 'yellow'],
          [2.5, 'red'],
        ],
        alert: 'TokenSidecarLatencyBudgetBurnsFast',
      },
      {
        title: 'Failed token requests',
        about:
          'Token requests that failed in the last five minutes. Single failures that are retried successfully are harmless; “Token requests” below shows the credential and the cause.',
        kind: { type: 'stat' },
        unit: 'none',
        queries: [
          [
            `sum(increase(token_sidecar_token_requests_total${and(OF_CREDENTIAL, 'outcome!="success"')}[5m]))`,
            'failed',
          ],
        ],
        steps: [
          [0.5, 'yellow'],
          [3, 'red'],
        ],
        alert: 'TokenSidecarAuthorizationServerFailing',
      },
      {
        title: 'Next token expiry',
        about:
          'The shortest remaining lifetime of a cached token. A token is renewed a minute before it expires, or at half of its lifetime; an unused token may expire.',
        kind: { type: 'stat' },
        unit: 's',
        queries: [[`min(${REMAINING} > 0)`, 'left']],
        alert: 'TokenSidecarTokenNotRenewed',
      },
      {
        title: 'Configuration',
        about:
          'Whether every instance has accepted the latest configuration. If not, it keeps the previous one: run “token-sidecar check”.',
        kind: {
          type: 'stat',
          words: {
            '0': { text: 'rejected', color: 'red' },
            '1': { text: 'accepted', color: 'green' },
          },
        },
        unit: 'none',
        queries: [[`min(token_sidecar_config_reload_success${OF_INSTANCE})`, 'configuration']],
        alert: 'TokenSidecarConfigReloadFailed',
      },
    ],
  },
  {
    title: 'Requests',
    panels: [
      {
        title: 'Requests by route',
        about:
          '“(none)” are requests without a route, “(pass)” are pass-through requests. If a route has no requests any more, check the application first.',
        unit: 'reqps',
        queries: [[`sum by (route) (${REQUESTS})`, '{{route}}']],
      },
      {
        title: 'Requests by status',
        about:
          'Responses of the API and of the sidecar. 1xx are WebSockets. 4xx that start with a deployment of the application are caused by the application.',
        kind: { type: 'timeseries', stacked: true },
        unit: 'reqps',
        queries: [[`sum by (status) (${REQUESTS})`, '{{status}}']],
        colors: STATUS_COLORS,
      },
      {
        title: 'Sidecar failures',
        about:
          'token_*: the authorization server. upstream_*: the API or the network. request_*, client_closed: the application. internal_error: please report it. Errors that are not shown here are from the API.',
        kind: { type: 'timeseries', stacked: true },
        unit: 'reqps',
        queries: [
          [
            `sum by (route, code) (${rate('token_sidecar_request_failures_total', OF_ROUTE)}) > 0`,
            '{{route}} {{code}}',
          ],
        ],
        alert: 'TokenSidecarRequestsWithoutToken',
      },
      {
        title: 'Rejected callers',
        about:
          'Requests without credentials, with wrong ones, or with a client certificate that the listener does not allow. “no_credentials” is normal for clients that send them only after a 407.',
        unit: 'reqps',
        queries: [
          [
            `sum by (listener, reason) (${rate('token_sidecar_rejected_callers_total', OF_INSTANCE)}) > 0`,
            '{{listener}} {{reason}}',
          ],
        ],
        alert: 'TokenSidecarCallersRejected',
      },
      {
        title: 'Token store',
        about:
          'Operations of the token store per second, by outcome. While they fail, each sidecar requests its own tokens. Empty without “tokenStore”.',
        unit: 'ops',
        queries: [
          [
            `sum by (operation, outcome) (${rate('token_sidecar_token_store_operations_total', OF_INSTANCE)}) > 0`,
            '{{operation}} {{outcome}}',
          ],
        ],
        alert: 'TokenSidecarTokenStoreUnavailable',
      },
      {
        title: 'Error ratio',
        about:
          'The ratio of requests with a 5xx status. The lines are the objective, and six times the objective.',
        unit: 'percentunit',
        queries: [
          [
            `(sum by (route) (${ERRORS}) or 0 * sum by (route) (${REQUESTS})) / sum by (route) (${REQUESTS})`,
            '{{route}}',
          ],
        ],
        steps: [
          [0.005, 'yellow'],
          [0.03, 'red'],
        ],
        alert: 'TokenSidecarErrorBudgetBurnsFast',
      },
      {
        title: 'Latency',
        about:
          'From the first byte of the request to the last byte of the response. A p99 far above the p50 means that few requests are slow: large bodies, or a slow endpoint of the API.',
        unit: 's',
        queries: [0.5, 0.95, 0.99].map((share) => [
          quantile(share, 'token_sidecar_request_duration_seconds', OF_ROUTE),
          `p${100 * share}`,
        ]),
        alert: 'TokenSidecarLatencyBudgetBurnsFast',
      },
      {
        title: 'Latency, total and API, p95',
        about:
          'The total duration, and the time until the response header section of the API. If both are high, the API is slow. If only the total is high: large bodies, an application that reads slowly, or a saturated sidecar (see its event loop).',
        unit: 's',
        queries: [
          [
            quantile(0.95, 'token_sidecar_request_duration_seconds', OF_ROUTE, ', route'),
            '{{route}}, total',
          ],
          [
            quantile(0.95, 'token_sidecar_upstream_response_seconds', OF_ROUTE, ', route'),
            '{{route}}, API',
          ],
        ],
        alert: 'TokenSidecarLatencyBudgetBurnsFast',
      },
      {
        title: 'Requests that waited for a token',
        about:
          'Expected for the first request after a start, after a long time without requests, and after a 401. If there are more, tokens are not renewed in time.',
        unit: 'reqps',
        queries: [
          [
            `sum by (route) (${rate('token_sidecar_token_wait_seconds_count', OF_ROUTE)})`,
            '{{route}}',
          ],
        ],
        alert: 'TokenSidecarTokenNotRenewed',
      },
      {
        title: 'Requests in flight',
        about:
          'If this increases while the request rate does not, the API has become slow, or bodies stall.',
        unit: 'none',
        queries: [[`sum by (route) (token_sidecar_requests_in_flight${OF_ROUTE})`, '{{route}}']],
        alert: 'TokenSidecarConnectionsNearLimit',
      },
    ],
  },
  {
    title: 'Tokens',
    panels: [
      {
        title: 'Time to expiry',
        about:
          'A sawtooth: a token is renewed a minute before it expires, or at half of its lifetime. A token that stays at −1 min has expired: it is unused, or its renewal fails, which “Token requests” shows.',
        unit: 's',
        queries: [[`clamp_min(min by (token) (${REMAINING}), -60)`, '{{token}}']],
        signed: true,
        alert: 'TokenSidecarTokenNotRenewed',
      },
      {
        title: 'Token requests',
        about:
          'token_rejected: wrong client identifier, secret or scopes. token_unavailable: the authorization server is unreachable, returns errors or is rate limiting. token_invalid: its response is not a token response. /status of the instance shows details.',
        kind: { type: 'timeseries', stacked: true },
        unit: 'reqps',
        queries: [
          [
            `sum by (credential, outcome) (${rate('token_sidecar_token_requests_total', OF_CREDENTIAL)}) > 0`,
            '{{credential}} {{outcome}}',
          ],
        ],
        alert: 'TokenSidecarAuthorizationServerFailing',
      },
      {
        title: 'Tokens obtained',
        about:
          '“renewed” is the normal case. “issued”: there was no token, after a start or a long time without requests. “replaced”: an API had rejected the token.',
        unit: 'none',
        queries: [
          [
            `sum by (credential, reason) (increase(token_sidecar_tokens_obtained_total${OF_CREDENTIAL}[$__rate_interval]))`,
            '{{credential}} {{reason}}',
          ],
        ],
      },
      {
        title: 'Tokens rejected by an API',
        about:
          'Unexpired tokens that got a 401. Occasionally: the token was revoked, and has been replaced. Continuously: check audience, scopes, keys and clocks.',
        unit: 'none',
        queries: [
          [
            `sum by (credential) (increase(token_sidecar_tokens_refused_total${OF_CREDENTIAL}[$__rate_interval]))`,
            '{{credential}}',
          ],
        ],
        alert: 'TokenSidecarUpstreamRefusesTokens',
      },
      {
        title: 'Duration of token requests, p95',
        about:
          'Including discovery. Requests do not wait for it as long as tokens are renewed in time. If it approaches the “timeout” of the credential, token requests will fail.',
        unit: 's',
        queries: [
          [
            quantile(
              0.95,
              'token_sidecar_token_request_duration_seconds',
              OF_CREDENTIAL,
              ', credential',
            ),
            '{{credential}}',
          ],
        ],
        alert: 'TokenSidecarAuthorizationServerFailing',
      },
      {
        title: 'Token lifetime',
        about:
          'The lifetime at issuance. If it has become shorter, a setting of the authorization server was changed.',
        unit: 's',
        queries: [
          [`min by (token) (token_sidecar_token_lifetime_seconds${OF_CREDENTIAL})`, '{{token}}'],
        ],
      },
    ],
  },
  {
    title: 'Upstream',
    panels: [
      {
        title: 'Connections',
        about:
          'Open connections to each API. One instance opens at most as many as “connections” of its routes.',
        unit: 'none',
        queries: [
          [`sum by (upstream) (token_sidecar_upstream_connections${OF_INSTANCE})`, '{{upstream}}'],
        ],
      },
      {
        title: 'Upstream requests in flight',
        about:
          'Requests that the API is processing. If this increases at a constant request rate, the API has become slow.',
        unit: 'none',
        queries: [
          [
            `sum by (upstream) (token_sidecar_upstream_requests_running${OF_INSTANCE})`,
            '{{upstream}}',
          ],
        ],
      },
      {
        title: 'Requests waiting for a connection',
        about:
          'Should be 0. If it stays above 0, all connections are in use: the API is slow, or “connections” of the route is too low.',
        unit: 'none',
        queries: [
          [
            `sum by (upstream) (token_sidecar_upstream_requests_queued${OF_INSTANCE})`,
            '{{upstream}}',
          ],
        ],
        steps: [[1, 'orange']],
        alert: 'TokenSidecarRequestsQueued',
      },
      {
        title: 'Responses with 401 or 403',
        about:
          'Responses that reached the application. 401: a new token was rejected, too, or the request could not be replayed. 403: a scope or role is missing. Compare audience and scopes with the requirements of the API.',
        unit: 'reqps',
        queries: [
          [
            `sum by (route) (${rate('token_sidecar_upstream_unauthorized_total', OF_ROUTE)})`,
            '{{route}} 401',
          ],
          [
            `sum by (route) (${rate('token_sidecar_upstream_forbidden_total', OF_ROUTE)})`,
            '{{route}} 403',
          ],
        ],
        alert: 'TokenSidecarUpstreamRefusesTokens',
      },
      {
        title: 'Routes whose API rejects every request',
        about:
          'The number of instances that have received only 401 or 403 from the API since the last success. /status of the instance shows the rejected token.',
        unit: 'none',
        queries: [
          [`sum by (route) (token_sidecar_upstream_rejecting${OF_ROUTE}) > 0`, '{{route}}'],
        ],
        steps: [[1, 'orange']],
        alert: 'TokenSidecarUpstreamRejectsEveryRequest',
      },
      {
        title: 'Replays after a 401',
        about:
          'Requests replayed with a new token. A spike is a revoked token that was replaced; a plateau is a fault.',
        unit: 'reqps',
        queries: [
          [`sum by (route) (${rate('token_sidecar_replays_total', OF_ROUTE)})`, '{{route}}'],
        ],
        alert: 'TokenSidecarReplayStorm',
      },
      {
        title: 'Retries on stale connections',
        about:
          'The API closed an idle connection while a request was sent. If there are many, its keep-alive timeout is shorter than 4 s, or it restarts.',
        unit: 'reqps',
        queries: [
          [`sum by (route) (${rate('token_sidecar_retries_total', OF_ROUTE)})`, '{{route}}'],
        ],
        alert: 'TokenSidecarRetryStorm',
      },
    ],
  },
  {
    title: 'HTTP/2 and gRPC',
    panels: [
      {
        title: 'Requests by protocol',
        about: 'What applications speak to the sidecar. gRPC needs h2 on this side, too.',
        kind: { type: 'timeseries', stacked: true },
        unit: 'reqps',
        queries: [
          [
            `sum by (protocol) (${rate('token_sidecar_inbound_requests_total', OF_INSTANCE)})`,
            '{{protocol}}',
          ],
        ],
      },
      {
        title: 'Responses by protocol of the API',
        about:
          'gRPC needs h2. Over http: it takes “http2: always” of the route; over https: the API has to offer it by ALPN.',
        kind: { type: 'timeseries', stacked: true },
        unit: 'reqps',
        queries: [
          [
            `sum by (protocol) (${rate('token_sidecar_upstream_responses_total', OF_ROUTE)})`,
            '{{protocol}}',
          ],
        ],
      },
      {
        title: 'gRPC calls by status',
        about:
          'What the application received. UNAVAILABLE and DEADLINE_EXCEEDED are also what it gets when the sidecar fails a call: compare with “Failures of the sidecar’s own”.',
        unit: 'reqps',
        queries: [
          [
            `sum by (grpc_status) (${rate('token_sidecar_grpc_calls_total', OF_ROUTE)}) > 0`,
            '{{grpc_status}}',
          ],
        ],
      },
      {
        title: 'Share of failed gRPC calls',
        about:
          'UNKNOWN, DEADLINE_EXCEEDED, UNIMPLEMENTED, INTERNAL, UNAVAILABLE and DATA_LOSS. Their HTTP status is 200, so “Share of errors” does not include them.',
        unit: 'percentunit',
        queries: [
          [
            `sum by (route) (${rate('token_sidecar_grpc_calls_total', and(OF_ROUTE, 'grpc_status=~"UNKNOWN|DEADLINE_EXCEEDED|UNIMPLEMENTED|INTERNAL|UNAVAILABLE|DATA_LOSS"'))}) / sum by (route) (${rate('token_sidecar_grpc_calls_total', OF_ROUTE)})`,
            '{{route}}',
          ],
        ],
        steps: [[0.05, 'orange']],
        alert: 'TokenSidecarGrpcCallsFailing',
      },
      {
        title: 'HTTP/2 connections',
        about: 'Open connections; “client” is the application, “upstream” the APIs.',
        unit: 'none',
        queries: [[`sum by (side) (token_sidecar_http2_sessions_open${OF_INSTANCE})`, '{{side}}']],
      },
      {
        title: 'HTTP/2 streams',
        about:
          'Open requests on these connections. Climbing at a steady rate of requests: the API has become slow, or streams are not ended.',
        unit: 'none',
        queries: [[`sum by (side) (token_sidecar_http2_streams_open${OF_INSTANCE})`, '{{side}}']],
      },
      {
        title: 'GOAWAY frames',
        about:
          'NO_ERROR is a graceful shutdown, such as the deployment of an API. Other reasons: one side has closed the connection because of an error of the other.',
        unit: 'ops',
        queries: [
          [
            `sum by (side, direction, reason) (${rate('token_sidecar_http2_goaway_total', OF_INSTANCE)}) > 0`,
            '{{side}} {{direction}} {{reason}}',
          ],
        ],
        alert: 'TokenSidecarHttp2ConnectionErrors',
      },
      {
        title: 'RST_STREAM frames',
        about:
          'CANCEL from the client is a cancelled request or a deadline that has passed. REFUSED_STREAM from the API: it has reached its limit.',
        unit: 'ops',
        queries: [
          [
            `sum by (side, direction, reason) (${rate('token_sidecar_http2_resets_total', OF_INSTANCE)}) > 0`,
            '{{side}} {{direction}} {{reason}}',
          ],
        ],
        alert: 'TokenSidecarHttp2StreamErrors',
      },
    ],
  },
  {
    title: 'Interception',
    panels: [
      {
        title: 'Requests by integration mode',
        about: 'How the requests of applications reach the sidecar.',
        kind: { type: 'timeseries', stacked: true },
        unit: 'reqps',
        queries: [
          [
            `sum by (mode) (${rate('token_sidecar_inbound_requests_total', OF_INSTANCE)}) > 0`,
            '{{mode}}',
          ],
        ],
      },
      {
        title: 'TLS handshakes with applications',
        about:
          'Of intercepted connections. With unknown_ca, bad_certificate or closed, an application may not trust the CA of the sidecar.',
        unit: 'ops',
        queries: [
          [
            `sum by (host, outcome) (${rate('token_sidecar_intercept_handshakes_total', OF_INSTANCE)}) > 0`,
            '{{host}} {{outcome}}',
          ],
        ],
        alert: 'TokenSidecarInterceptionFailing',
      },
      {
        title: 'Rejected redirected connections',
        about:
          'Of transparent listeners. unknown_host: an application calls a host that no route names; the log has its name.',
        unit: 'ops',
        queries: [
          [
            `sum by (reason) (${rate('token_sidecar_rejected_connections_total', OF_INSTANCE)}) > 0`,
            '{{reason}}',
          ],
        ],
        alert: 'TokenSidecarConnectionsRejected',
      },
    ],
  },
  {
    title: 'Tunnels',
    panels: [
      {
        title: 'Open tunnels',
        about:
          'WebSockets and other upgraded connections, and CONNECT tunnels as “(pass)”. If this only increases, the application does not close them; each counts against “limits.connections”.',
        unit: 'none',
        queries: [[`sum by (route) (token_sidecar_tunnels_open${OF_ROUTE})`, '{{route}}']],
        alert: 'TokenSidecarConnectionsNearLimit',
      },
      {
        title: 'Tunnels opened',
        about:
          'If this is much higher than the number of open tunnels, they break, and the application reconnects.',
        unit: 'ops',
        queries: [
          [`sum by (route) (${rate('token_sidecar_tunnels_opened_total', OF_ROUTE)})`, '{{route}}'],
        ],
        alert: 'TokenSidecarTunnelsReconnecting',
      },
      {
        title: 'Tunnel throughput',
        about:
          'Counted when a tunnel closes, so that a long-lived one appears as a spike at its end.',
        unit: 'Bps',
        queries: [
          [
            `sum by (route, direction) (${rate('token_sidecar_tunnel_bytes_total', OF_ROUTE)})`,
            '{{route}} {{direction}}',
          ],
        ],
      },
    ],
  },
  {
    title: 'Process',
    panels: [
      {
        title: 'CPU',
        about: 'In cores. An instance uses mostly one core: see the event loop.',
        unit: 'none',
        queries: [[rate('process_cpu_seconds_total', OF_INSTANCE), '{{instance}}']],
        alert: 'TokenSidecarEventLoopSaturated',
      },
      {
        title: 'Memory',
        about:
          'About 90 MB when idle and 220 MB under full load. If it increases for days without decreasing, restart the instance, and please report it.',
        unit: 'bytes',
        queries: [[`process_resident_memory_bytes${OF_INSTANCE}`, '{{instance}}']],
        alert: 'TokenSidecarRestartsOften',
      },
      {
        title: 'Event loop',
        about:
          'The ratio of time in which the event loop was busy. Near 1, requests wait for each other: provide a whole core, or more instances.',
        unit: 'percentunit',
        max: 1,
        queries: [[`token_sidecar_event_loop_utilization_ratio${OF_INSTANCE}`, '{{instance}}']],
        steps: [
          [0.7, 'yellow'],
          [0.85, 'red'],
        ],
        alert: 'TokenSidecarEventLoopSaturated',
      },
      {
        title: 'Uptime',
        about:
          'Drops to 0 at each start. Causes of unexpected restarts: the memory limit, the liveness probe, or a crash.',
        unit: 's',
        queries: [
          [
            `time() - process_start_time_seconds${OF_INSTANCE} and on (job, instance) token_sidecar_build_info`,
            '{{instance}}',
          ],
        ],
        alert: 'TokenSidecarRestartsOften',
      },
      {
        title: 'Configuration reloads',
        about:
          '“unchanged” is harmless. After a “failure” the instance keeps the previous configuration, but would not start with the new one.',
        unit: 'none',
        queries: [
          [
            `sum by (outcome) (increase(token_sidecar_config_reloads_total${OF_INSTANCE}[$__rate_interval]))`,
            '{{outcome}}',
          ],
        ],
        colors: { success: 'green', failure: 'red', unchanged: 'blue' },
        alert: 'TokenSidecarConfigReloadFailed',
      },
      {
        title: 'Configuration age',
        about:
          'Time since the last reload. Instances that differ by more than a minute after a change have not loaded it.',
        unit: 's',
        queries: [
          [`time() - token_sidecar_config_reload_timestamp_seconds${OF_INSTANCE}`, '{{instance}}'],
        ],
        alert: 'TokenSidecarConfigReloadFailed',
      },
    ],
  },
]

const COLUMNS = 24
const DATASOURCE = { type: 'prometheus', uid: '${datasource}' }

/** The dashboard as Grafana 11 and later import it. */
export function dashboard(): object {
  return {
    uid: 'token-sidecar',
    title: 'token-sidecar',
    description:
      'Routes, tokens and APIs of token-sidecar. The description of each panel says what to do if its values are abnormal.',
    tags: ['token-sidecar', 'oauth'],
    schemaVersion: 39,
    version: 1,
    editable: true,
    graphTooltip: 1,
    timezone: 'browser',
    refresh: '30s',
    time: { from: 'now-1h', to: 'now' },
    links: [
      {
        type: 'link',
        title: 'Runbook',
        tooltip: 'The meaning of each alert, and what to do',
        icon: 'doc',
        url: '${runbook}',
        targetBlank: true,
        asDropdown: false,
        includeVars: false,
        keepTime: false,
        tags: [],
      },
    ],
    annotations: {
      list: [
        {
          name: 'Starts',
          datasource: DATASOURCE,
          enable: true,
          iconColor: 'blue',
          expr: `changes(process_start_time_seconds${OF_INSTANCE}[1m]) > 0`,
          titleFormat: 'Started',
          textFormat: '{{instance}}',
        },
      ],
    },
    templating: { list: variables() },
    panels: panels(),
  }
}

function variables(): object[] {
  return [
    { name: 'datasource', label: 'data source', type: 'datasource', query: 'prometheus' },
    choice('job', 'token_sidecar_build_info', ''),
    choice('instance', 'token_sidecar_build_info', '{job=~"$job"}'),
    choice('route', 'token_sidecar_requests_in_flight', OF_INSTANCE),
    choice('credential', 'token_sidecar_token_requests_total', OF_INSTANCE),
    {
      name: 'runbook',
      description: 'The URL of docs/runbook.md, to which panels link.',
      type: 'textbox',
      query: RUNBOOK,
      current: { text: RUNBOOK, value: RUNBOOK },
    },
  ]
}

/** A variable with the values of a label, several of which can be selected; the default is all. */
function choice(name: string, metric: string, matchers: string): object {
  const query = `label_values(${metric}${matchers}, ${name})`
  return {
    name,
    type: 'query',
    datasource: DATASOURCE,
    query: { query, refId: name },
    definition: query,
    refresh: 2,
    sort: 1,
    multi: true,
    includeAll: true,
    allValue: '.*',
    current: { text: ['All'], value: ['$__all'] },
  }
}

const RUNBOOK = 'https://git.example.com/token-sidecar/docs/runbook.md'

/** Rows from top to bottom, the panels of each from left to right. */
function panels(): object[] {
  const all: object[] = []
  let y = 0
  for (const row of ROWS) {
    all.push({
      id: all.length + 1,
      type: 'row',
      title: row.title,
      collapsed: false,
      gridPos: { x: 0, y, w: COLUMNS, h: 1 },
      panels: [],
    })
    y += 1
    let x = 0
    let height = 0
    for (const panel of row.panels) {
      const isStat = panel.kind?.type === 'stat'
      const w = isStat ? 3 : 8
      height = isStat ? 4 : 8
      if (x + w > COLUMNS) {
        x = 0
        y += height
      }
      all.push(grafanaPanel(panel, all.length + 1, { x, y, w, h: height }))
      x += w
    }
    y += height
  }
  return all
}

function grafanaPanel(panel: Panel, id: number, gridPos: object): object {
  const { title, about, kind = { type: 'timeseries' }, unit, queries, steps = [], alert } = panel
  return {
    id,
    type: kind.type,
    title,
    description: about,
    datasource: DATASOURCE,
    gridPos,
    links:
      alert === undefined
        ? []
        : [
            {
              title: `Runbook: ${alert}`,
              url: `\${runbook}#${alert.toLowerCase()}`,
              targetBlank: true,
            },
          ],
    targets: queries.map(([expr, legendFormat], index) => ({
      refId: String.fromCodePoint(65 + index),
      datasource: DATASOURCE,
      expr,
      legendFormat,
      range: kind.type !== 'stat',
      instant: kind.type === 'stat',
    })),
    fieldConfig: {
      defaults: {
        unit,
        ...(panel.signed === true ? {} : { min: 0 }),
        max: panel.max,
        color: { mode: kind.type === 'stat' ? 'thresholds' : 'palette-classic' },
        thresholds: {
          mode: 'absolute',
          steps: [
            { value: null, color: 'green' },
            ...steps.map(([value, color]) => ({ value, color })),
          ],
        },
        ...(kind.type === 'stat'
          ? { mappings: mappings(kind.words ?? {}) }
          : lineStyle(kind, steps)),
      },
      overrides: Object.entries(panel.colors ?? {}).map(([name, color]) => ({
        matcher: { id: 'byName', options: name },
        properties: [{ id: 'color', value: { mode: 'fixed', fixedColor: color } }],
      })),
    },
    options:
      kind.type === 'stat'
        ? {
            reduceOptions: { calcs: ['lastNotNull'] },
            colorMode: 'value',
            graphMode: 'none',
            textMode: 'value',
          }
        : {
            legend: { displayMode: 'table', placement: 'bottom', calcs: ['lastNotNull', 'max'] },
            tooltip: { mode: 'multi', sort: 'desc' },
          },
  }
}

function mappings(words: Readonly<Record<string, Word>>): object[] {
  return Object.keys(words).length === 0 ? [] : [{ type: 'value', options: words }]
}

function lineStyle(
  { stacked = false }: { readonly stacked?: boolean },
  steps: NonNullable<Panel['steps']>,
): object {
  return {
    custom: {
      drawStyle: 'line',
      lineWidth: 1,
      fillOpacity: stacked ? 30 : 5,
      showPoints: 'never',
      stacking: { mode: stacked ? 'normal' : 'none' },
      thresholdsStyle: { mode: steps.length === 0 ? 'off' : 'dashed' },
    },
  }
}
