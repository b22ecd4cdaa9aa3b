import { STATUS_CODES } from 'node:http'
import { nameOf } from '../read-message.ts'
import {
  type AmbiguousRequest,
  type Exchange,
  type Message,
  OK,
  type WireCase,
} from '../wire-case.ts'
import type { Http2Sides } from './reason-to-skip.ts'

/**
 * Rows with another expectation if this side uses HTTP/2, by their name. All other differences follow from
 * the rules below.
 */
export const DIFFERENCES: readonly {
  readonly name: RegExp
  readonly side: keyof Http2Sides
  readonly expects: Partial<Exchange> | Pick<AmbiguousRequest, 'ambiguity'>
}[] = [
  {
    // END_STREAM in the HEADERS frame has the same meaning (RFC 9113 section 8.1).
    name: /^A POST without framing is forwarded with Content-Length: 0$/,
    side: 'upstream',
    expects: { upstreamReceives: [{ line: 'POST /x HTTP/1.1' }] },
  },
  {
    // RFC 9110 section 15 defines codes up to 599, and node:http2 does not send others.
    name: /^The status line is forwarded: HTTP\/1\.1 999 Beyond$/,
    side: 'client',
    expects: { clientReceives: 'bad gateway' },
  },
  {
    // RFC 9110 section 8.6 forbids Content-Length there, and nghttp2 resets the stream.
    name: /^Content-Length and Transfer-Encoding of an interim response are ignored and removed/,
    side: 'upstream',
    expects: { clientReceives: 'bad gateway' },
  },
  {
    // nghttp2 applies the Content-Length of a trailer section to the message (RFC 9113 section 8.1.1).
    name: /^Trailer fields that are not permitted in trailers are removed from a response$/,
    side: 'upstream',
    expects: {
      clientReceives: [{ line: 'HTTP/1.1 200 OK', body: 'hello', isTruncated: true }],
      connection: 'closes',
    },
  },
  {
    // The length is valid, and the stream is reset before that much content has been received.
    name: /^A response with a Content-Length above the safe integer range causes a 502/,
    side: 'upstream',
    expects: {
      clientReceives: [
        {
          line: 'HTTP/1.1 200 OK',
          fields: ['Content-Length: 9007199254740993'],
          body: 'ok',
          isTruncated: true,
        },
      ],
      connection: 'closes',
    },
  },
  {
    // The parser detects the fault at the first chunk, when the HEADERS frame may have been sent.
    name: /^Transfer-Encoding: chunked \\t$/,
    side: 'upstream',
    expects: { ambiguity: 'body' },
  },
]

/** The case with its expectations if these sides use HTTP/2. */
export function expectHttp2(wireCase: WireCase, sides: Http2Sides): WireCase {
  if ('rejectedWith' in wireCase) return wireCase
  const { expects } = differenceOf(wireCase, sides) ?? { expects: {} }
  if ('mayForward' in wireCase) {
    const { mayForward } = wireCase
    return { ...wireCase, mayForward: mayForward && requestOver(mayForward, sides), ...expects }
  }
  const {
    upstreamReceives,
    clientReceives = [OK],
    upstreamConnections,
    ...rest
  } = { ...wireCase, ...expects }
  return {
    ...rest,
    upstreamReceives:
      typeof upstreamReceives === 'string'
        ? upstreamReceives
        : upstreamReceives.map((message) => requestOver(message, sides)),
    clientReceives:
      typeof clientReceives === 'string'
        ? clientReceives
        : clientReceives.map((message) => responseOver(message, sides)),
    // Streams to an upstream share one connection.
    ...(!sides.upstream && upstreamConnections !== undefined && { upstreamConnections }),
  }
}

export function differenceOf({ name }: WireCase, sides: Http2Sides) {
  return DIFFERENCES.find((difference) => sides[difference.side] && difference.name.test(name))
}

function requestOver(message: Message, sides: Http2Sides): Message {
  const fields = sides.client ? joinCookies(message.fields ?? []) : message.fields
  return receivedOver(sides.client, withLowerCaseNames({ ...message, fields: fields ?? [] }))
}

function responseOver(message: Message, { client, upstream }: Http2Sides): Message {
  const [version = '', status = ''] = message.line.split(' ')
  // RFC 9113 section 8.3.2: there is no reason phrase.
  const isInterim = status.startsWith('1')
  const phrase = client ? '' : upstream && !isInterim ? (STATUS_CODES[status] ?? '') : undefined
  const line = phrase === undefined ? message.line : `${version} ${status} ${phrase}`
  return receivedOver(upstream, withLowerCaseNames({ ...message, line }))
}

/** RFC 9110 section 2.5: the minor version of HTTP/2 is 0 where one is required. */
function receivedOver(isHttp2: boolean, message: Message): Message {
  if (!isHttp2 || message.via === undefined) return message
  return {
    ...message,
    via: message.via.map((member) => member.replace(/^1\.\d PROXY/, '2.0 PROXY')),
  }
}

/** RFC 9113 section 8.2.1: names are in lower case, even if a case compares them exactly. */
function withLowerCaseNames(message: Message): Message {
  if (message.comparesExactly !== true) return message
  const fields = (message.fields ?? []).map(
    (field) => nameOf(field) + field.slice(field.indexOf(':')),
  )
  return { ...message, fields }
}

/** RFC 9113 section 8.2.3. */
function joinCookies(fields: readonly string[]): readonly string[] {
  const cookies = fields.filter((field) => nameOf(field) === 'cookie')
  const [first, ...others] = cookies
  if (first === undefined || others.length === 0) return fields
  const values = cookies.map((field) => field.slice(field.indexOf(':') + 1).trim())
  const joined = `Cookie: ${values.join('; ')}`
  return fields
    .filter((field) => !others.includes(field))
    .map((field) => (field === first ? joined : field))
}
