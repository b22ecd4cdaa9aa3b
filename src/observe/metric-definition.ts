import type { Sample } from './exposition.ts'
import type { Histogram } from './histogram.ts'

/** `help` is also the text in docs/metrics.md, which "npm run generate" brings up to date. */
export type MetricDescription = {
  readonly name: string
  readonly type: 'counter' | 'gauge' | 'histogram'
  readonly help: string
  readonly labels: readonly string[]
}

/** `read` is called on each scrape. */
export type MetricDefinition = MetricDescription & { readonly read: () => Sample[] }

export function histogramSamples(labels: Sample['labels'], histogram: Histogram): Sample[] {
  const { buckets, count, sumSeconds } = histogram.read()
  return [
    ...buckets.map((bucket): Sample => ({
      suffix: '_bucket',
      labels: { ...labels, le: String(bucket.leSeconds) },
      value: bucket.count,
    })),
    { suffix: '_bucket', labels: { ...labels, le: '+Inf' }, value: count },
    { suffix: '_sum', labels, value: sumSeconds },
    { suffix: '_count', labels, value: count },
  ]
}
