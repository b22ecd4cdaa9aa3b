import {
  type Attributes,
  type Context,
  ROOT_CONTEXT,
  type Span as OtelSpan,
  SpanKind,
  SpanStatusCode,
  trace,
} from '@opentelemetry/api'
import { ExportResultCode, parseTraceParent, TraceState } from '@opentelemetry/core'
import { OTLPExporterBase, OTLPExporterError } from '@opentelemetry/otlp-exporter-base'
import {
  convertLegacyHttpOptions,
  createOtlpHttpExportDelegate,
} from '@opentelemetry/otlp-exporter-base/node-http'
import {
  JsonTraceSerializer,
  ProtobufTraceSerializer,
  TraceExporterMetricsHelper,
} from '@opentelemetry/otlp-transformer'
import {
  defaultResource,
  detectResources,
  envDetector,
  resourceFromAttributes,
} from '@opentelemetry/resources'
import {
  AlwaysOffSampler,
  AlwaysOnSampler,
  BatchSpanProcessor,
  ParentBasedSampler,
  type Sampler,
  type SpanExporter,
  TraceIdRatioBasedSampler,
  TracerProvider,
} from '@opentelemetry/sdk-trace'
import type { SidecarError } from '../errors.ts'
import { networkFault } from '../lib/network-fault.ts'
import type { Logger } from './logger.ts'
import type { IncomingTrace, Span, Tracer } from './tracer.ts'
import type { TracingSettings } from './tracing-settings.ts'

export type OpenTelemetryOptions = {
  readonly settings: TracingSettings
  readonly version: string
  readonly logger: Logger
}

/**
 * The only file that imports OpenTelemetry, loaded only if tracing is on. Contexts are passed as arguments:
 * no global and no async hook is registered. The diagnostic logger of OpenTelemetry stays off, because it
 * repeats responses of the receiver and settings that may contain keys.
 */
export function createOpenTelemetryTracer(options: OpenTelemetryOptions): Tracer {
  const { settings, version, logger } = options
  const exporter = reportOutages(
    createExporter(settings),
    settings.batch.exportTimeoutMillis,
    logger,
  )
  const provider = new TracerProvider({
    resource: defaultResource()
      .merge(
        resourceFromAttributes({ 'service.name': 'token-sidecar', 'service.version': version }),
      )
      .merge(detectResources({ detectors: [envDetector] })),
    sampler: createSampler(settings),
    spanProcessors: [new BatchSpanProcessor({ exporter, ...settings.batch })],
  })
  const tracer = provider.getTracer('token-sidecar', version)

  const tokenRequest = (credential: string, server: URL, parent: Context): Span => {
    const attributes = { 'token_sidecar.credential': credential, ...addressOf(server) }
    const span = tracer.startSpan('token request', { kind: SpanKind.CLIENT, attributes }, parent)
    return { end: ({ failure }) => conclude(span, failure?.code, isFault(failure), failure) }
  }

  return {
    tokenRequest: (credential, server) => tokenRequest(credential, server, ROOT_CONTEXT),

    request(method, incoming) {
      const parent = contextOf(incoming)
      const request = tracer.startSpan(
        nameOf(method),
        { kind: SpanKind.SERVER, attributes: methodOf(method) },
        parent,
      )
      const within = trace.setSpan(ROOT_CONTEXT, request)
      let attempts = 0
      return {
        traceId: request.spanContext().traceId,
        isContinued: parent !== ROOT_CONTEXT,

        tokenWait() {
          const wait = tracer.startSpan('wait for a token', {}, within)
          const waiting = trace.setSpan(ROOT_CONTEXT, wait)
          return {
            tokenRequest: (credential, server) => tokenRequest(credential, server, waiting),
            end: ({ failure }) => conclude(wait, failure?.code, isFault(failure), failure),
          }
        },

        attempt(sent, url) {
          const attributes: Attributes = {
            ...methodOf(sent),
            'url.full': url,
            ...addressOf(new URL(url)),
          }
          if (attempts > 0) attributes['http.request.resend_count'] = attempts
          attempts += 1
          const span = tracer.startSpan(nameOf(sent), { kind: SpanKind.CLIENT, attributes }, within)
          const { traceId, spanId, traceFlags } = span.spanContext()
          return {
            traceparent: `00-${traceId}-${spanId}-0${traceFlags}`,
            end({ status, version: httpVersion, failure }) {
              if (status !== undefined) span.setAttribute('http.response.status_code', status)
              if (httpVersion !== undefined) {
                const value = httpVersion === '2.0' ? '2' : httpVersion
                span.setAttribute('network.protocol.version', value)
              }
              const isRefused = status !== undefined && status >= 400
              const isError = isRefused || isFault(failure)
              conclude(
                span,
                failure?.code ?? (isRefused ? String(status) : undefined),
                isError,
                failure,
              )
            },
          }
        },

        end({ scheme, path, route, protocol, status, grpcStatus, failure }) {
          if (route !== undefined) {
            request.updateName(`${nameOf(method)} ${route}`)
            request.setAttribute('token_sidecar.route', route)
          }
          request.setAttributes({
            'url.scheme': scheme,
            'url.path': path,
            ...(protocol !== undefined && {
              'network.protocol.version': protocol === 'h2' ? '2' : protocol.replace('http/', ''),
            }),
            'http.response.status_code': status,
            ...(grpcStatus !== undefined && { 'rpc.grpc.status_code': grpcStatus }),
          })
          // Semantic conventions: a 4xx is not an error of the server span.
          const isError = status >= 500
          conclude(
            request,
            failure?.code ?? (isError ? String(status) : undefined),
            isError,
            failure,
          )
        },
      }
    },

    async close(limitMs) {
      const late = Promise.withResolvers<boolean>()
      const timer = setTimeout(() => late.resolve(false), limitMs)
      const flushed = provider.shutdown().then(
        () => true,
        () => true, // The failure is logged already.
      )
      const isFlushed = await Promise.race([flushed, late.promise])
      clearTimeout(timer)
      return isFlushed
    },
  }
}

/** The parent context of a request. W3C Trace Context section 4.3: an invalid one starts a new trace. */
function contextOf({ traceparent, tracestate }: IncomingTrace): Context {
  const [value] = traceparent
  const parent = value !== undefined && traceparent.length === 1 ? parseTraceParent(value) : null
  if (parent === null) return ROOT_CONTEXT
  const traceState = new TraceState(tracestate.join(','))
  return trace.setSpanContext(ROOT_CONTEXT, { ...parent, traceState, isRemote: true })
}

/** Ends a span; `type` is the value of `error.type`. */
function conclude(
  span: OtelSpan,
  type: string | undefined,
  isError: boolean,
  failure: SidecarError | undefined,
): void {
  if (type !== undefined) span.setAttribute('error.type', type)
  if (isError) {
    span.setStatus({
      code: SpanStatusCode.ERROR,
      ...(failure !== undefined && { message: failure.message }),
    })
  }
  span.end()
}

/** A client that disconnects is not an error. */
function isFault(failure: SidecarError | undefined): boolean {
  return failure !== undefined && failure.code !== 'client_closed'
}

/** The known methods of the semantic conventions; others would make the number of span names unbounded. */
const METHODS = new Set([
  'GET',
  'HEAD',
  'POST',
  'PUT',
  'PATCH',
  'DELETE',
  'CONNECT',
  'OPTIONS',
  'TRACE',
])

function nameOf(method: string): string {
  return METHODS.has(method) ? method : 'HTTP'
}

function methodOf(method: string): Attributes {
  return METHODS.has(method)
    ? { 'http.request.method': method }
    : { 'http.request.method': '_OTHER', 'http.request.method_original': method }
}

function addressOf({ hostname, port, protocol }: URL): Attributes {
  const defaultPort = protocol === 'https:' ? 443 : 80
  return { 'server.address': hostname, 'server.port': port === '' ? defaultPort : Number(port) }
}

function createSampler({ sampler, ratio }: TracingSettings): Sampler {
  switch (sampler) {
    case 'always_on': {
      return new AlwaysOnSampler()
    }
    case 'always_off': {
      return new AlwaysOffSampler()
    }
    case 'traceidratio': {
      return new TraceIdRatioBasedSampler(ratio)
    }
    case 'parentbased_always_on': {
      return new ParentBasedSampler({ root: new AlwaysOnSampler() })
    }
    case 'parentbased_always_off': {
      return new ParentBasedSampler({ root: new AlwaysOffSampler() })
    }
    case 'parentbased_traceidratio': {
      return new ParentBasedSampler({ root: new TraceIdRatioBasedSampler(ratio) })
    }
  }
}

/** The exporter reads headers, timeout, compression and certificates from the standard variables itself. */
function createExporter({ url, protocol }: TracingSettings): SpanExporter {
  const isJson = protocol === 'http/json'
  const type = isJson ? 'application/json' : 'application/x-protobuf'
  return new OTLPExporterBase(
    createOtlpHttpExportDelegate(
      convertLegacyHttpOptions({ url }, 'TRACES', 'v1/traces', { 'Content-Type': type }),
      isJson ? JsonTraceSerializer : ProtobufTraceSerializer,
      isJson ? 'otlp_http_json_span_exporter' : 'otlp_http_span_exporter',
      TraceExporterMetricsHelper,
      undefined,
    ),
  )
}

/**
 * Logs the beginning and the end of an outage of the receiver. The batch processor gives up an export
 * after `timeoutMs` without a word, and the exporter may wait for longer: its time limit is one of inactivity.
 */
function reportOutages(exporter: SpanExporter, timeoutMs: number, logger: Logger): SpanExporter {
  let lost = 0
  const failed = (spans: number, reason: string): void => {
    if (lost === 0) logger.warn({ reason }, 'cannot export traces')
    lost += spans
  }
  return {
    export(spans, done) {
      let isOverdue = false
      const timer = setTimeout(() => {
        isOverdue = true
        failed(spans.length, 'the receiver does not respond in time')
      }, timeoutMs).unref()
      exporter.export(spans, (result) => {
        clearTimeout(timer)
        if (result.code === ExportResultCode.SUCCESS) {
          if (lost > 0) logger.info({ lost }, 'traces are exported again')
          lost = 0
        } else if (!isOverdue) failed(spans.length, reasonOf(result.error))
        done(result)
      })
    },
    shutdown: async () => await exporter.shutdown(),
  }
}

/** Without the text of the receiver, which may repeat what was sent. */
function reasonOf(error: Error | undefined): string {
  if (error instanceof OTLPExporterError && error.code !== undefined) {
    return `the receiver responded with status ${error.code}`
  }
  const fault = networkFault(error)
  if (fault?.kind === 'tls') {
    return 'no trustworthy TLS connection; OTEL_EXPORTER_OTLP_CERTIFICATE names a certificate to trust'
  }
  return fault?.reason ?? 'the export failed'
}
