import { nameOf, readMessages, type ReadMessage, valuesOf } from '../read-message.ts'
import { OK_RESPONSE, type WireCase } from '../wire-case.ts'

/** The sides of the proxy that use HTTP/2. */
export type Http2Sides = { readonly client: boolean; readonly upstream: boolean }

/** Why a case cannot be expressed if these sides use HTTP/2; undefined if it can. */
export function reasonToSkip(wireCase: WireCase, sides: Http2Sides): string | undefined {
  return (
    (sides.client ? reasonWithoutFrameClient(wireCase) : undefined) ??
    (sides.upstream ? reasonWithoutFrameUpstream(wireCase) : undefined)
  )
}

function reasonWithoutFrameClient(wireCase: WireCase): string | undefined {
  const { clientSends } = wireCase
  const steps = typeof clientSends === 'string' ? [clientSends] : clientSends
  const bytes = steps
    .filter((step) => typeof step === 'string')
    .join('')
    .replaceAll('AUTHORITY', 'localhost')
  const { complete, rest } = readMessages(bytes, { of: 'requests', isEnded: false })
  if (rest !== 'nothing' && rest.state === 'malformed')
    return `request syntax: ${withoutQuotes(rest.why)}`
  const incomplete = rest === 'nothing' ? undefined : rest.message
  if (rest !== 'nothing' && incomplete === undefined) return 'request syntax: incomplete head'
  const messages = incomplete === undefined ? complete : [...complete, incomplete]
  if (messages.some(({ line }) => !line.endsWith(' HTTP/1.1')))
    return 'protocol version of the request'
  if (messages.some(({ fields }) => fields.some(({ length }) => length > MAX_DECODED_BYTES))) {
    return 'field that ends an HTTP/2 connection'
  }
  const isAmbiguous = 'mayForward' in wireCase
  if (isAmbiguous && messages.length > 1) return 'data after a request'
  if (wireCase.upstream?.delayedTarget !== undefined) return 'pipelining'
  if (messages.some(hasConnectionField)) return 'connection-specific field in the request'
  const isForwarded =
    'upstreamReceives' in wireCase || (isAmbiguous && wireCase.mayForward !== undefined)
  if (isForwarded && messages.some(({ line }) => / http:/i.test(line))) return 'absolute form'
  return undefined
}

function reasonWithoutFrameUpstream(wireCase: WireCase): string | undefined {
  const {
    response = OK_RESPONSE,
    closes = false,
    sendsOnConnect,
    unsolicited,
  } = wireCase.upstream ?? {}
  if (sendsOnConnect !== undefined || unsolicited !== undefined) return 'data outside of a response'
  const toHead = JSON.stringify(wireCase.clientSends).includes('HEAD ')
  const all = typeof response === 'string' ? [response] : Object.values(response)
  for (const bytes of all) {
    const { complete, rest } = readMessages(bytes, { of: 'responses', toHead, isEnded: closes })
    if (rest !== 'nothing' && rest.state === 'malformed') {
      return `response syntax: ${withoutQuotes(rest.why)}`
    }
    const incomplete = rest === 'nothing' ? undefined : rest.message
    if (rest !== 'nothing' && incomplete === undefined) return 'response syntax: incomplete head'
    if (incomplete !== undefined && !closes) return 'data after a response'
    const messages = incomplete === undefined ? complete : [...complete, incomplete]
    const finals = messages.filter(({ line }) => !line.startsWith('HTTP/1.1 1'))
    if (finals.length > 1) return 'data after a response'
    if (finals.length === 0) return 'response syntax: no response'
    if (messages.some(hasConnectionField)) return 'connection-specific field in the response'
    const isRejected = 'clientReceives' in wireCase && typeof wireCase.clientReceives === 'string'
    if (isRejected && finals.some(({ framing }) => framing === 'chunked')) return 'chunked coding'
  }
  return undefined
}

/** Above this nghttp2 stops decoding, which is a connection error (RFC 9113 section 4.3). */
const MAX_DECODED_BYTES = 65_536

const CONNECTION_FIELDS: ReadonlySet<string> = new Set([
  'connection',
  'http2-settings',
  'keep-alive',
  'proxy-connection',
  'upgrade',
])

/** RFC 9113 section 8.2.2; `Transfer-Encoding` frames the body in HTTP/1.1 and has no other meaning. */
function hasConnectionField({ fields }: ReadMessage): boolean {
  return (
    fields.some((field) => CONNECTION_FIELDS.has(nameOf(field))) ||
    valuesOf(fields, 'te').some((value) => value !== 'trailers')
  )
}

/** The reason without the quoted part of the message. */
function withoutQuotes(why: string): string {
  return why.replace(/ ".*$/s, '')
}
