import { STATUS_CODES } from 'node:http'
import { nameOf } from '../read-message.ts'
import { type Doubt, type Exchange, type Message, OK, type WireCase } from '../wire-case.ts'
import type { Http2Sides } from './decide.ts'

/**
 * Rows that expect something else where this side speaks HTTP/2, by a part of their name. All other
 * differences follow from the rules below.
 */
export const DIFFERENCES: readonly {
  readonly name: RegExp
  readonly side: keyof Http2Sides
  readonly expects: Partial<Exchange> | Pick<Doubt, 'about'>
}[] = [
  {
    // END_STREAM in the HEADERS frame says so already (RFC 9113 section 8.1).
    name: /^A POST without framing is forwarded with Content-Length: 0$/,
    side: 'upstream',
    expects: { arrives: [{ line: 'POST /x HTTP/1.1' }] },
  },
  {
    // RFC 9110 section 15 ends at 599, and node:http2 refuses to send others.
    name: /^The status line is forwarded: HTTP\/1\.1 999 Beyond$/,
    side: 'client',
    expects: { comesBack: 'bad gateway' },
  },
  {
    // RFC 9110 section 8.6 forbids the length there, and nghttp2 resets the stream.
    name: /^Content-Length and Transfer-Encoding of an interim response are ignored and removed/,
    side: 'upstream',
    expects: { comesBack: 'bad gateway' },
  },
  {
    // nghttp2 takes the Content-Length of a trailer section for one of the message (RFC 9113 section 8.1.1).
    name: /^Trailer fields that are not permitted in trailers are removed from a response$/,
    side: 'upstream',
    expects: {
      comesBack: [{ line: 'HTTP/1.1 200 OK', body: 'hello', cut: true }],
      connection: 'closes',
    },
  },
  {
    // The length is valid, and the stream is reset before so much content has been received.
    name: /^A response with a Content-Length above the safe integer range causes a 502/,
    side: 'upstream',
    expects: {
      comesBack: [
        {
          line: 'HTTP/1.1 200 OK',
          fields: ['Content-Length: 9007199254740993'],
          body: 'ok',
          cut: true,
        },
      ],
      connection: 'closes',
    },
  },
  {
    // The parser finds out at the first chunk, when the HEADERS frame may have been sent.
    name: /^Transfer-Encoding: chunked \\t$/,
    side: 'upstream',
    expects: { about: 'the body' },
  },
]

/** What a case expects where these sides speak HTTP/2. */
export function expectHttp2(wireCase: WireCase, sides: Http2Sides): WireCase {
  if ('refused' in wireCase) return wireCase
  const { expects } = differenceOf(wireCase, sides) ?? { expects: {} }
  if ('atMost' in wireCase) {
    const { atMost } = wireCase
    return { ...wireCase, atMost: atMost && requestOver(atMost, sides), ...expects }
  }
  const { arrives, comesBack = [OK], upstreamConnections, ...rest } = { ...wireCase, ...expects }
  return {
    ...rest,
    arrives:
      typeof arrives === 'string' ? arrives : arrives.map((message) => requestOver(message, sides)),
    comesBack:
      typeof comesBack === 'string'
        ? comesBack
        : comesBack.map((message) => responseOver(message, sides)),
    // Streams to an upstream share one connection.
    ...(!sides.upstream && upstreamConnections !== undefined && { upstreamConnections }),
  }
}

export function differenceOf({ name }: WireCase, sides: Http2Sides) {
  return DIFFERENCES.find((difference) => sides[difference.side] && difference.name.test(name))
}

function requestOver(message: Message, sides: Http2Sides): Message {
  const fields = sides.client ? joinCookies(message.fields ?? []) : message.fields
  return receivedOver(sides.client, lowerCaseWhereWritten({ ...message, fields: fields ?? [] }))
}

function responseOver(message: Message, { client, upstream }: Http2Sides): Message {
  const [version = '', status = ''] = message.line.split(' ')
  // RFC 9113 section 8.3.2: there is no reason phrase.
  const isInterim = status.startsWith('1')
  const phrase = client ? '' : upstream && !isInterim ? (STATUS_CODES[status] ?? '') : undefined
  const line = phrase === undefined ? message.line : `${version} ${status} ${phrase}`
  return receivedOver(upstream, lowerCaseWhereWritten({ ...message, line }))
}

/** RFC 9110 section 2.5: where a minor version is needed, it is 0. */
function receivedOver(isHttp2: boolean, message: Message): Message {
  if (!isHttp2 || message.via === undefined) return message
  return {
    ...message,
    via: message.via.map((member) => member.replace(/^1\.\d PROXY/, '2.0 PROXY')),
  }
}

/** RFC 9113 section 8.2.1: names are in lower case, even where a case compares them octet by octet. */
function lowerCaseWhereWritten(message: Message): Message {
  if (message.asWritten !== true) return message
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
