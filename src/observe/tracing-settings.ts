export type TracingSettings = {
  readonly url: string
  readonly protocol: Protocol
  readonly sampler: SamplerName
  /** For the samplers by trace ID ratio. */
  readonly ratio: number
  readonly batch: {
    readonly scheduledDelayMillis: number
    readonly exportTimeoutMillis: number
    readonly maxQueueSize: number
    readonly maxExportBatchSize: number
  }
}

type Protocol = 'http/protobuf' | 'http/json'
type SamplerName = (typeof SAMPLERS)[number]

const SAMPLERS = [
  'always_on',
  'always_off',
  'traceidratio',
  'parentbased_always_on',
  'parentbased_always_off',
  'parentbased_traceidratio',
] as const

/** Who sets one of these wants traces. */
const SWITCHES = [
  'OTEL_TRACES_EXPORTER',
  'OTEL_EXPORTER_OTLP_TRACES_ENDPOINT',
  'OTEL_EXPORTER_OTLP_ENDPOINT',
]

type Read =
  | { readonly ok: true; readonly settings: TracingSettings | undefined }
  /** Each with the name of the variable, never with its value, which may be a secret. */
  | { readonly ok: false; readonly problems: readonly string[] }

/**
 * The standard variables of OpenTelemetry that the exporter does not read itself. Settings are undefined if
 * tracing is off: no variable names a receiver or an exporter, or one disables it.
 */
export function readTracingSettings(env: Readonly<Record<string, string | undefined>>): Read {
  const problems: string[] = []
  // Specification: an empty variable counts as unset.
  const text = (name: string): string | undefined => env[name]?.trim() || undefined
  const choice = <T extends string>(name: string, choices: readonly T[], otherwise: T): T => {
    const given = text(name)
    if (given === undefined) return otherwise
    const chosen = choices.find((one) => one === given)
    if (chosen === undefined) problems.push(`${name}: expected one of ${choices.join(', ')}`)
    return chosen ?? otherwise
  }
  const count = (name: string, otherwise: number): number => {
    const given = Number(text(name) ?? otherwise)
    if (Number.isSafeInteger(given) && given > 0) return given
    problems.push(`${name}: expected a whole number above 0`)
    return otherwise
  }
  /** The variable for traces has precedence over the one for all signals. */
  const preferred = (specific: string, common: string): string =>
    text(specific) === undefined ? common : specific

  const isOff = text('OTEL_SDK_DISABLED')?.toLowerCase() === 'true'
  const isWanted = SWITCHES.some((name) => text(name) !== undefined)
  if (isOff || !isWanted || text('OTEL_TRACES_EXPORTER') === 'none') {
    return { ok: true, settings: undefined }
  }

  choice('OTEL_TRACES_EXPORTER', ['otlp', 'none'], 'otlp')
  const own = text('OTEL_EXPORTER_OTLP_TRACES_ENDPOINT')
  const common = text('OTEL_EXPORTER_OTLP_ENDPOINT') ?? 'http://localhost:4318'
  const url = own ?? `${common.replace(/\/$/, '')}/v1/traces`
  if (!/^https?:$/.test(URL.parse(url)?.protocol ?? '')) {
    const name = preferred('OTEL_EXPORTER_OTLP_TRACES_ENDPOINT', 'OTEL_EXPORTER_OTLP_ENDPOINT')
    problems.push(`${name}: expected an http or https URL`)
  }
  const ratio = Number(text('OTEL_TRACES_SAMPLER_ARG') ?? 1)
  if (!(ratio >= 0 && ratio <= 1)) {
    problems.push('OTEL_TRACES_SAMPLER_ARG: expected a number from 0 to 1')
  }
  const settings: TracingSettings = {
    url,
    protocol: choice(
      preferred('OTEL_EXPORTER_OTLP_TRACES_PROTOCOL', 'OTEL_EXPORTER_OTLP_PROTOCOL'),
      ['http/protobuf', 'http/json'],
      'http/protobuf',
    ),
    sampler: choice('OTEL_TRACES_SAMPLER', SAMPLERS, 'parentbased_always_on'),
    ratio,
    batch: {
      scheduledDelayMillis: count('OTEL_BSP_SCHEDULE_DELAY', 5_000),
      exportTimeoutMillis: count('OTEL_BSP_EXPORT_TIMEOUT', 30_000),
      maxQueueSize: count('OTEL_BSP_MAX_QUEUE_SIZE', 2_048),
      maxExportBatchSize: count('OTEL_BSP_MAX_EXPORT_BATCH_SIZE', 512),
    },
  }
  return problems.length > 0 ? { ok: false, problems } : { ok: true, settings }
}
