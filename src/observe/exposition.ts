/** A metric with its current values, as one scrape sees it. */
export type MetricSnapshot = {
  readonly name: string
  readonly type: 'counter' | 'gauge' | 'histogram'
  readonly help: string
  readonly samples: readonly Sample[]
}

export type Sample = {
  readonly labels: Readonly<Record<string, string>>
  readonly value: number
  /** What follows the name of the metric, for the series of a histogram. */
  readonly suffix?: '_bucket' | '_sum' | '_count'
}

/** The Prometheus text format, version 0.0.4. */
export const CONTENT_TYPE = 'text/plain; version=0.0.4; charset=utf-8'

export function expositionOf(metrics: readonly MetricSnapshot[]): string {
  return metrics.map(metricText).join('\n')
}

function metricText({ name, type, help, samples }: MetricSnapshot): string {
  let text = `# HELP ${name} ${escapeHelp(help)}\n# TYPE ${name} ${type}\n`
  for (const { labels, value, suffix = '' } of samples) {
    text += `${name}${suffix}${labelText(labels)} ${numberText(value)}\n`
  }
  return text
}

function labelText(labels: Sample['labels']): string {
  const pairs = Object.entries(labels).map(([name, value]) => `${name}="${escapeLabel(value)}"`)
  return pairs.length === 0 ? '' : `{${pairs.join(',')}}`
}

function escapeHelp(text: string): string {
  return text.replaceAll('\\', String.raw`\\`).replaceAll('\n', String.raw`\n`)
}

function escapeLabel(text: string): string {
  return escapeHelp(text).replaceAll('"', String.raw`\"`)
}

function numberText(value: number): string {
  if (value === Infinity) return '+Inf'
  return value === -Infinity ? '-Inf' : String(value)
}
