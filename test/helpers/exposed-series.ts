import { endpointConfig } from './config-text.ts'
import { parseExposition } from './exposition.ts'
import {
  dataFrame,
  ERROR,
  headersFrame,
  openFrameClient,
  requestFields,
  resetFrame,
} from './http2-frames.ts'
import { groupingLabelsOf, matchesAny, selectorsOf } from './promql.ts'
import { exchangeRaw } from './raw-http.ts'
import { startServer } from './servers.ts'
import { startSidecar, temporaryDirectory } from './sidecar.ts'
import { sendToken, startTokenEndpoint } from './token-endpoint.ts'
import { until } from './wait.ts'

/** Every series name of `/metrics`, with its labels and their values. */
export type ExposedSeries = ReadonlyMap<string, ReadonlyMap<string, ReadonlySet<string>>>

/** Reads the metrics of a sidecar that has served a request, and whose clients have caused failures over HTTP/1.1 and HTTP/2. */
export async function readExposedSeries(): Promise<ExposedSeries> {
  const endpoint = await startTokenEndpoint((_request, res) => sendToken(res))
  const upstream = await startServer((req, res) => {
    res.writeHead(req.url === '/orders/bad' ? 500 : 200).end('ok')
  })
  const auth = '{ basic: [{ username: a, password: { value: b } }] }'
  const sidecar = await startSidecar(
    `
intercept: { ca: { directory: '${await temporaryDirectory()}' } }
tokenStore: { url: 'redis://127.0.0.1:1', keys: [{ value: a key of a store that cannot be reached }] }
${endpointConfig({ endpoint: endpoint.url, upstream: `${upstream}/orders` })}
  - { name: named, match: { host: api.example.com }, upstream: '${upstream}', credential: none }
`,
    {},
    `[{ address: "127.0.0.1:0" }, { name: partners, address: "127.0.0.1:0", auth: ${auth} }]`,
  )
  // fetch takes a 407 for a network error.
  await exchangeRaw(sidecar.urlOf('partners'), 'GET / HTTP/1.0\r\n\r\n')
  for (const path of ['/orders', '/orders/bad']) {
    await (await fetch(`${sidecar.proxyUrl}${path}`)).text()
  }
  await failOverHttp2(sidecar.proxyUrl)
  const exposition = await (await fetch(`${sidecar.adminUrl}/metrics`)).text()

  const series = new Map<string, Map<string, Set<string>>>()
  for (const { name, labels } of parseExposition(exposition).flatMap(({ samples }) => samples)) {
    const known = series.get(name) ?? new Map<string, Set<string>>()
    series.set(name, known)
    for (const [label, value] of Object.entries(labels)) {
      known.set(label, (known.get(label) ?? new Set()).add(value))
    }
  }
  return series
}

/** A gRPC call without a route, a stream and a connection that are closed with an error code. */
async function failOverHttp2(proxyUrl: string): Promise<void> {
  const client = await openFrameClient(proxyUrl)
  const grpc = ['content-type', 'application/grpc']
  client.send(headersFrame(1, requestFields(grpc, { path: '/none' })))
  await client.response(1)
  client.send(headersFrame(3, requestFields()), resetFrame(3, ERROR.INTERNAL_ERROR))
  client.send(dataFrame(0, 'data'))
  await until(client.isClosed)
}

/** Labels that Prometheus adds to scraped series. */
const OF_THE_SCRAPE = ['job', 'instance', 'pod']
/** Series of Prometheus itself. */
const OF_PROMETHEUS = ['up', 'ALERTS']

/** Metrics and labels of an expression that do not exist; `recorded` are the names of recording rules. */
export function missingIn(
  expr: string,
  series: ExposedSeries,
  recorded: readonly string[] = [],
): string[] {
  const labels = new Set([
    ...OF_THE_SCRAPE,
    ...[...series.values()].flatMap((known) => [...known.keys()]),
  ])
  const missing = groupingLabelsOf(expr).filter((label) => !labels.has(label))
  for (const { metric, matchers } of selectorsOf(expr)) {
    if ([...OF_PROMETHEUS, ...recorded].includes(metric)) continue
    const known = series.get(metric)
    if (known === undefined) missing.push(metric)
    for (const matcher of matchers) {
      const { label, operator, value } = matcher
      // Dashboard variables can have any value.
      if (OF_THE_SCRAPE.includes(label) || value.startsWith('$')) continue
      if (!matchesAny(matcher, known?.get(label) ?? [])) {
        missing.push(`${metric}{${label}${operator}"${value}"}`)
      }
    }
  }
  return missing
}
