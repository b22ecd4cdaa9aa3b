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
 * The one file that knows OpenTelemetry, loaded where tracing is on. Contexts are handed on by
 * argument: nothing global is registered, and no async hook follows the program around. Nor does its
 * diagnostic logger get ours: it repeats what a receiver answers, and settings that may hold keys.
 */
export function createOpenTelemetryTracer(options: OpenTelemetryOptions): Tracer {
  const { settings, version, logger } = options
  const exporter = reportOutages(createExporter(settings), logger)
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
            end({ status, failure }) {
              if (status !== undefined) span.setAttribute('http.response.status_code', status)
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

        end({ path, route, protocol, status, failure }) {
          if (route !== undefined) {
            request.updateName(`${nameOf(method)} ${route}`)
            request.setAttribute('token_sidecar.route', route)
          }
          request.setAttributes({
            'url.scheme': 'http',
            'url.path': path,
            ...(protocol !== undefined && {
              'network.protocol.version': protocol === 'h2' ? '2' : protocol.replace('http/', ''),
            }),
            'http.response.status_code': status,
          })
          // A 4xx is the client's doing, and no error of the one who answers it.
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
        () => true, // It has failed and was reported; there is nothing left to wait for.
      )
      const isFlushed = await Promise.race([flushed, late.promise])
      clearTimeout(timer)
      return isFlushed
    },
  }
}

/** The trace that a request belongs to; W3C Trace Context section 4.3: what is not valid starts anew. */
function contextOf({ traceparent, tracestate }: IncomingTrace): Context {
  const [value] = traceparent
  const parent = value !== undefined && traceparent.length === 1 ? parseTraceParent(value) : null
  if (parent === null) return ROOT_CONTEXT
  const traceState = new TraceState(tracestate.join(','))
  return trace.setSpanContext(ROOT_CONTEXT, { ...parent, traceState, isRemote: true })
}

/** Ends a span; `type` tells one kind of failure from another. */
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

/** A client that goes away is nobody's error. */
function isFault(failure: SidecarError | undefined): boolean {
  return failure !== undefined && failure.code !== 'client_closed'
}

/** Those that the semantic conventions know; others would make names without end. */
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
  const usual = protocol === 'https:' ? 443 : 80
  return { 'server.address': hostname, 'server.port': port === '' ? usual : Number(port) }
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

/** Headers, timeout, compression and certificates it takes from the standard variables by itself. */
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

/** Says once when the receiver fails, and once when it is back. */
function reportOutages(exporter: SpanExporter, logger: Logger): SpanExporter {
  let lost = 0
  return {
    export(spans, done) {
      exporter.export(spans, (result) => {
        if (result.code === ExportResultCode.SUCCESS) {
          if (lost > 0) logger.info({ lost }, 'traces are exported again')
          lost = 0
        } else {
          if (lost === 0) logger.warn({ reason: reasonOf(result.error) }, 'cannot export traces')
          lost += spans.length
        }
        done(result)
      })
    },
    shutdown: async () => await exporter.shutdown(),
  }
}

/** In words of our own: what the receiver says is not for our log. */
function reasonOf(error: Error | undefined): string {
  if (error instanceof OTLPExporterError && error.code !== undefined) {
    return `the receiver answers ${error.code}`
  }
  const fault = networkFault(error)
  if (fault?.kind === 'tls') {
    return 'no trustworthy TLS connection; OTEL_EXPORTER_OTLP_CERTIFICATE names a certificate to trust'
  }
  return fault?.reason ?? 'the receiver does not take them'
}
