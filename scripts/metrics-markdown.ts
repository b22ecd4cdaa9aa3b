import type { MetricDescription } from '../src/observe/metric-definition.ts'
import { createMetrics } from '../src/observe/metrics.ts'

/** The metrics of each table in docs/metrics.md. */
const TABLES: Readonly<Record<string, (metric: MetricDescription) => boolean>> = {
  requests: ({ labels }) =>
    ['route', 'protocol', 'listener'].some((label) => labels.includes(label)),
  interception: ({ name }) => name.startsWith('token_sidecar_intercept_'),
  transparent: ({ name }) => name === 'token_sidecar_rejected_connections_total',
  http2: ({ name }) => name.startsWith('token_sidecar_http2_'),
  tokens: ({ labels }) => labels.includes('credential'),
  store: ({ name }) => name.startsWith('token_sidecar_token_store_'),
  upstreams: ({ labels }) => labels.includes('upstream'),
  configuration: ({ name }) => name.startsWith('token_sidecar_config_'),
  process: ({ name }) =>
    /^process_|_build_info$|_(?:event_loop|log_lines|file_descriptor)_/.test(name),
}

const TABLE = /(<!-- metrics: (\w+) -->\n)[^]*?(<!-- end -->)/g

/** The document with its tables generated; every metric must be in exactly one of them. */
export function withMetricTables(document: string): string {
  const { descriptions } = createMetrics({ version: '' })
  const written: string[] = []
  const text = document.replaceAll(TABLE, (_all, start: string, name: string, end: string) => {
    const metrics = descriptions.filter((metric) => TABLES[name]?.(metric))
    written.push(...metrics.map((metric) => metric.name))
    return `${start}\n${table(metrics)}\n\n${end}`
  })
  for (const { name } of descriptions) {
    const places = written.filter((other) => other === name).length
    if (places !== 1) {
      throw new Error(
        `Cannot write docs/metrics.md: "${name}" is in ${places} of its tables; see TABLES in scripts/metrics-markdown.ts`,
      )
    }
  }
  return text
}

/** All cells of a column have the same width, as the formatter requires. */
function table(metrics: readonly MetricDescription[]): string {
  const rows = [
    ['Metric', 'Type', 'Labels', 'What it counts'],
    ...metrics.map(({ name, type, labels, help }) => [
      `\`${name}\``,
      type,
      labels.map((label) => `\`${label}\``).join(', '),
      `${help}.`,
    ]),
  ]
  const widths = rows[0]?.map((_, column) =>
    Math.max(...rows.map((row) => row[column]?.length ?? 0)),
  )
  const padded = rows.map((row) => row.map((cell, column) => cell.padEnd(widths?.[column] ?? 0)))
  const rule = widths?.map((width) => '-'.repeat(width)) ?? []
  return padded
    .toSpliced(1, 0, rule)
    .map((cells) => `| ${cells.join(' | ')} |`)
    .join('\n')
}
