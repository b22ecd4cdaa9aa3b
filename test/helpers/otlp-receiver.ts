import type { IncomingHttpHeaders } from 'node:http'
import { buffer } from 'node:stream/consumers'
import * as z from 'zod'
import { startServer } from './servers.ts'
import { until } from './wait.ts'

type Export = {
  readonly path: string | undefined
  readonly headers: IncomingHttpHeaders
  readonly body: Buffer
}

type ReceivedSpan = {
  readonly name: string
  readonly kind: 'internal' | 'server' | 'client'
  readonly traceId: string
  readonly spanId: string
  /** Empty for a root span. */
  readonly parentSpanId: string
  readonly attributes: Readonly<Record<string, unknown>>
  readonly isError: boolean
  readonly traceState: string
}

export type OtlpReceiver = {
  readonly url: string
  readonly exports: readonly Export[]
  /** The environment of a program that exports each span here, soon, as JSON. */
  readonly env: Readonly<Record<string, string>>
  /** Sets the status of further responses. */
  respondWith(status: number): void
  /** The spans that were received as JSON. */
  spans(): ReceivedSpan[]
  /** The span with this name, once it was received. */
  span(name: string): Promise<ReceivedSpan>
}

/** A receiver of OTLP over HTTP. */
export async function startOtlpReceiver(): Promise<OtlpReceiver> {
  const exports: Export[] = []
  let status = 200
  const url = await startServer((req, res) => {
    void buffer(req).then((body) => {
      exports.push({ path: req.url, headers: req.headers, body })
      res.writeHead(status, { 'content-type': 'application/json' })
      res.end(status === 200 ? '{}' : '{"message":"canary-answer"}')
    })
  })
  const spans = (): ReceivedSpan[] => exports.flatMap(({ body }) => spansOf(body.toString()))
  return {
    url,
    exports,
    env: {
      OTEL_EXPORTER_OTLP_ENDPOINT: url,
      OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json',
      OTEL_BSP_SCHEDULE_DELAY: '20',
    },
    respondWith(next) {
      status = next
    },
    spans,
    async span(name) {
      let found: ReceivedSpan | undefined
      await until(() => {
        found = spans().find((span) => span.name === name)
        return found !== undefined
      })
      if (found === undefined) throw new Error(`no span ${name}`)
      return found
    },
  }
}

const KINDS = { 1: 'internal', 2: 'server', 3: 'client' } as const
const ERROR = 2

const ANY_VALUE = z
  .union([
    z.strictObject({ stringValue: z.string() }).transform((value) => value.stringValue),
    z.strictObject({ intValue: z.number() }).transform((value) => value.intValue),
  ])
  .catch('unexpected')
const ATTRIBUTES = z
  .array(z.object({ key: z.string(), value: ANY_VALUE }))
  .transform((list) => Object.fromEntries(list.map(({ key, value }) => [key, value])))

const SPAN = z
  .object({
    name: z.string(),
    kind: z.literal([1, 2, 3]).transform((kind) => KINDS[kind]),
    traceId: z.string().regex(/^[\da-f]{32}$/),
    spanId: z.string().regex(/^[\da-f]{16}$/),
    parentSpanId: z.string().default(''),
    traceState: z.string().default(''),
    attributes: ATTRIBUTES,
    status: z.object({ code: z.number().default(0) }),
  })
  .transform(({ status, ...span }) => ({ ...span, isError: status.code === ERROR }))

const REQUEST = z.object({
  resourceSpans: z.array(
    z.object({
      resource: z.object({ attributes: ATTRIBUTES }),
      scopeSpans: z.array(z.object({ spans: z.array(SPAN) })),
    }),
  ),
})

function spansOf(json: string): ReceivedSpan[] {
  return REQUEST.parse(JSON.parse(json)).resourceSpans.flatMap(({ scopeSpans }) =>
    scopeSpans.flatMap(({ spans }) => spans),
  )
}

/** The resource attributes of an export in JSON. */
export function resourceOf(json: string): Readonly<Record<string, unknown>> {
  return REQUEST.parse(JSON.parse(json)).resourceSpans[0]?.resource.attributes ?? {}
}

/** The names and trace ids of an export in protobuf (opentelemetry/proto/trace/v1/trace.proto). */
export function spansInProtobuf(body: Buffer): { name: string; traceId: string }[] {
  const resourceSpans = fieldsOf(body, 1)
  const scopeSpans = resourceSpans.flatMap((message) => fieldsOf(message, 2))
  return scopeSpans
    .flatMap((message) => fieldsOf(message, 2))
    .map((span) => ({
      name: Buffer.concat(fieldsOf(span, 5)).toString(),
      traceId: Buffer.concat(fieldsOf(span, 1)).toString('hex'),
    }))
}

/** All values of a length-delimited field of a message. */
function fieldsOf(message: Buffer, wanted: number): Buffer[] {
  const values: Buffer[] = []
  let at = 0
  const varint = (): number => {
    let value = 0
    for (let factor = 1; ; factor *= 128) {
      const byte = message.readUInt8(at)
      at += 1
      value += (byte % 128) * factor
      if (byte < 128) return value
    }
  }
  while (at < message.length) {
    const tag = varint()
    switch (tag % 8) {
      case 0: {
        varint()
        break
      }
      case 1: {
        at += 8
        break
      }
      case 2: {
        const length = varint()
        if (Math.floor(tag / 8) === wanted) values.push(message.subarray(at, at + length))
        at += length
        break
      }
      case 5: {
        at += 4
        break
      }
      default: {
        throw new Error(`unknown wire type in tag ${tag}`)
      }
    }
  }
  return values
}
