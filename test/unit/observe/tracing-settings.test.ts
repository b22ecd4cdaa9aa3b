import { expect, test } from 'vitest'
import { readTracingSettings } from '../../../src/observe/tracing-settings.ts'

const ENDPOINT = 'OTEL_EXPORTER_OTLP_ENDPOINT'
const OWN_ENDPOINT = 'OTEL_EXPORTER_OTLP_TRACES_ENDPOINT'

const DEFAULTS = {
  url: 'http://localhost:4318/v1/traces',
  protocol: 'http/protobuf',
  sampler: 'parentbased_always_on',
  ratio: 1,
  batch: {
    scheduledDelayMillis: 5_000,
    exportTimeoutMillis: 30_000,
    maxQueueSize: 2_048,
    maxExportBatchSize: 512,
  },
}

const OFF: readonly Readonly<Record<string, string>>[] = [
  {},
  { [ENDPOINT]: '' },
  { OTEL_SERVICE_NAME: 'name', OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc' },
  { OTEL_TRACES_EXPORTER: 'none' },
  { OTEL_TRACES_EXPORTER: 'none', [ENDPOINT]: 'http://a.example' },
  { OTEL_SDK_DISABLED: 'TRUE', OTEL_TRACES_EXPORTER: 'otlp' },
]

test.for(OFF)('tracing is disabled with %j', (env) => {
  expect(readTracingSettings(env)).toEqual({ ok: true, settings: undefined })
})

const ON: readonly { env: Readonly<Record<string, string>>; settings: object }[] = [
  { env: { OTEL_TRACES_EXPORTER: 'otlp' }, settings: {} },
  { env: { [ENDPOINT]: 'http://a:4318' }, settings: { url: 'http://a:4318/v1/traces' } },
  { env: { [ENDPOINT]: 'https://a/base/' }, settings: { url: 'https://a/base/v1/traces' } },
  { env: { [OWN_ENDPOINT]: 'https://a/own' }, settings: { url: 'https://a/own' } },
  { env: { [OWN_ENDPOINT]: 'https://a', [ENDPOINT]: 'nonsense' }, settings: { url: 'https://a' } },
  {
    env: {
      OTEL_TRACES_EXPORTER: 'otlp',
      OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc',
      OTEL_EXPORTER_OTLP_TRACES_PROTOCOL: 'http/json',
    },
    settings: { protocol: 'http/json' },
  },
  {
    env: {
      OTEL_TRACES_EXPORTER: 'otlp',
      OTEL_TRACES_SAMPLER: 'parentbased_traceidratio',
      OTEL_TRACES_SAMPLER_ARG: '0.25',
    },
    settings: { sampler: 'parentbased_traceidratio', ratio: 0.25 },
  },
  {
    env: {
      OTEL_TRACES_EXPORTER: 'otlp',
      OTEL_BSP_SCHEDULE_DELAY: '1',
      OTEL_BSP_EXPORT_TIMEOUT: '2',
      OTEL_BSP_MAX_QUEUE_SIZE: '4',
      OTEL_BSP_MAX_EXPORT_BATCH_SIZE: '3',
    },
    settings: {
      batch: {
        scheduledDelayMillis: 1,
        exportTimeoutMillis: 2,
        maxQueueSize: 4,
        maxExportBatchSize: 3,
      },
    },
  },
]

test.for(ON)('tracing is enabled with $env', ({ env, settings }) => {
  expect(readTracingSettings(env)).toEqual({ ok: true, settings: { ...DEFAULTS, ...settings } })
})

const INVALID: readonly { name: string; value: string }[] = [
  { name: 'OTEL_TRACES_EXPORTER', value: 'zipkin' },
  { name: 'OTEL_EXPORTER_OTLP_PROTOCOL', value: 'grpc' },
  { name: 'OTEL_EXPORTER_OTLP_TRACES_PROTOCOL', value: 'grpc' },
  { name: ENDPOINT, value: 'collector:4318' },
  { name: ENDPOINT, value: 'ftp://canary@collector' },
  { name: OWN_ENDPOINT, value: 'canary' },
  { name: 'OTEL_TRACES_SAMPLER', value: 'jaeger_remote' },
  { name: 'OTEL_TRACES_SAMPLER_ARG', value: '1.5' },
  { name: 'OTEL_TRACES_SAMPLER_ARG', value: 'half' },
  { name: 'OTEL_BSP_MAX_QUEUE_SIZE', value: '0' },
  { name: 'OTEL_BSP_SCHEDULE_DELAY', value: '5s' },
]

test.for(INVALID)(
  'the problem of $name=$value contains the name, not the value',
  ({ name, value }) => {
    const read = readTracingSettings({ OTEL_TRACES_EXPORTER: 'otlp', [name]: value })
    const problems = read.ok ? [] : read.problems
    expect(problems).toEqual([expect.stringMatching(`^${name}: expected `)])
    expect(problems.join()).not.toContain('canary')
  },
)
