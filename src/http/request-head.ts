import type { IncomingMessage } from 'node:http'
import { addConnectionOptions, isField } from './field-lines.ts'

/** What the sidecar evaluates of a request head, read in one pass. */
export type RequestHead = {
  readonly method: string
  /** The request target as received. */
  readonly target: string
  /** The version of HTTP as `Via` names it (RFC 9110 section 7.6.3), such as "1.1"; empty if not supported. */
  readonly version: string
  /** All fields: names and values, alternating, as received. */
  readonly fields: readonly string[]
  readonly hosts: readonly string[]
  /** The fields that `Connection` names. */
  readonly connectionOptions: ReadonlySet<string> | undefined
  /** RFC 9112 section 6: whether a body is announced. */
  readonly hasBody: boolean
  /** The announced length; NaN if there is none. */
  readonly contentLength: number
  /** RFC 9110 section 10.1.1; ignored in HTTP/1.0. */
  readonly expectation: 'none' | 'continue' | 'unknown'
  /** RFC 9110 section 10.1.4: whether `TE` says that trailer fields are accepted. */
  readonly acceptsTrailers: boolean
  /** Whether the client calls a gRPC method, and so reads `grpc-status` (grpc/grpc, doc/PROTOCOL-HTTP2.md). */
  readonly isGrpc: boolean
  /** RFC 9110 section 7.8: the protocols to switch to, as received. */
  readonly upgrade: string | undefined
  /** RFC 9110 section 7.6.2, as received. */
  readonly maxForwards: string | undefined
  /** RFC 9110 section 7.6.3: all members, as received. */
  readonly via: string | undefined
  /** The web page that the request comes from: RFC 6454 section 7, Fetch Metadata. */
  readonly origin: string | undefined
  readonly fetchSite: string | undefined
  /** Correlates this request with others: the application's request ID, or its trace ID. */
  readonly requestId: string | undefined
}

/** What precedes the fields: the request line (RFC 9112 section 3), or the pseudo-header fields of HTTP/2. */
export type RequestLine = Pick<RequestHead, 'method' | 'target' | 'version'>

/** The head of a request of `node:http`, whose parser also accepts versions other than HTTP/1. */
export function readHttp1Head(req: IncomingMessage): RequestHead {
  const { method = '', url = '', httpVersion, httpVersionMajor, rawHeaders } = req
  const version = httpVersionMajor === 1 ? httpVersion : ''
  return readRequestHead({ method, target: url, version }, rawHeaders)
}

export function readRequestHead(
  { method, target, version }: RequestLine,
  fields: readonly string[],
): RequestHead {
  const hosts: string[] = []
  let options: Set<string> | undefined
  let hasBody = false
  let contentLength = Number.NaN
  let expectation: RequestHead['expectation'] = 'none'
  let acceptsTrailers = false
  let isGrpc = false
  let upgrade: string | undefined
  let maxForwards: string | undefined
  let via: string | undefined
  let origin: string | undefined
  let fetchSite: string | undefined
  let requestId: string | undefined
  let traceId: string | undefined

  for (let i = 0; i < fields.length; i += 2) {
    const name = fields[i] ?? ''
    const value = fields[i + 1] ?? ''
    // By length first, because most names match none of these and need no lower-casing.
    switch (name.length) {
      case 2: {
        if (isField(name, 'te'))
          acceptsTrailers ||= /(?:^|,)[ \t]*trailers[ \t]*(?:,|$)/i.test(value)
        break
      }
      case 3: {
        if (isField(name, 'via')) via = via === undefined ? value : `${via}, ${value}`
        break
      }
      case 4: {
        if (isField(name, 'host')) hosts.push(value)
        break
      }
      case 6: {
        if (isField(name, 'origin')) origin = origin === undefined ? value : `${origin}, ${value}`
        else if (version !== '1.0' && isField(name, 'expect')) {
          const isKnown: boolean =
            expectation !== 'unknown' && value.toLowerCase() === '100-continue'
          expectation = isKnown ? 'continue' : 'unknown'
        }
        break
      }
      case 7: {
        if (isField(name, 'upgrade'))
          upgrade = upgrade === undefined ? value : `${upgrade}, ${value}`
        break
      }
      case 10: {
        if (isField(name, 'connection')) options = addConnectionOptions(options, value)
        break
      }
      case 11: {
        // W3C Trace Context section 3.2: version, trace id, parent id, flags.
        if (isField(name, 'traceparent')) traceId = /^[\da-f]{2}-([\da-f]{32})-/.exec(value)?.[1]
        break
      }
      case 12: {
        if (isField(name, 'max-forwards')) maxForwards = value
        else if (version === '2.0' && isField(name, 'content-type')) {
          isGrpc = /^application\/grpc(?:[+;]|$)/i.test(value)
        } else if (isField(name, 'x-request-id') && /^[\w\-.:+/=@]{1,128}$/.test(value)) {
          requestId ??= value
        }
        break
      }
      case 14: {
        if (isField(name, 'content-length')) {
          contentLength = Number(value)
          hasBody ||= contentLength !== 0
        } else if (isField(name, 'sec-fetch-site')) fetchSite = value.toLowerCase()
        break
      }
      case 17: {
        hasBody ||= isField(name, 'transfer-encoding')
        break
      }
    }
  }
  return {
    method,
    target,
    version,
    fields,
    hosts,
    connectionOptions: options,
    hasBody,
    contentLength,
    expectation,
    acceptsTrailers,
    isGrpc,
    upgrade,
    maxForwards,
    via,
    origin,
    fetchSite,
    requestId: requestId ?? traceId,
  }
}
