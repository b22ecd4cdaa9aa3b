import { nameOf, readMessages, type ReadMessage, valuesOf } from '../read-message.ts'
import { OK_ANSWER, type WireCase } from '../wire-case.ts'

/** Which of the two sides speak HTTP/2. */
export type Http2Sides = { readonly client: boolean; readonly upstream: boolean }

/** Why a case has no meaning where these sides speak HTTP/2; undefined where it has one. */
export function whyMeaningless(wireCase: WireCase, sides: Http2Sides): string | undefined {
  return (
    (sides.client ? whyNoFrameClient(wireCase) : undefined) ??
    (sides.upstream ? whyNoFrameUpstream(wireCase) : undefined)
  )
}

function whyNoFrameClient(wireCase: WireCase): string | undefined {
  const { sends } = wireCase
  const steps = typeof sends === 'string' ? [sends] : sends
  const bytes = steps
    .filter((step) => typeof step === 'string')
    .join('')
    .replaceAll('AUTHORITY', 'localhost')
  const { whole, rest } = readMessages(bytes, { of: 'requests', isEnded: false })
  if (rest !== 'nothing' && rest.state === 'malformed') return `request syntax: ${kindOf(rest.why)}`
  const begun = rest === 'nothing' ? undefined : rest.message
  if (rest !== 'nothing' && begun === undefined) return 'request syntax: incomplete head'
  const messages = begun === undefined ? whole : [...whole, begun]
  if (messages.some(({ line }) => !line.endsWith(' HTTP/1.1'))) return 'version of the request'
  if (messages.some(({ fields }) => fields.some(({ length }) => length > MAX_DECODED_BYTES))) {
    return 'field that ends an HTTP/2 connection'
  }
  const isDoubt = 'atMost' in wireCase
  if (isDoubt && messages.length > 1) return 'octets behind a request'
  if (wireCase.upstream?.holdsBack !== undefined) return 'pipelining'
  if (messages.some(hasConnectionField)) return 'connection-specific field in the request'
  const isForwarded = 'arrives' in wireCase || (isDoubt && wireCase.atMost !== undefined)
  if (isForwarded && messages.some(({ line }) => / http:/i.test(line))) return 'absolute form'
  return undefined
}

function whyNoFrameUpstream(wireCase: WireCase): string | undefined {
  const { answers = OK_ANSWER, closes = false, greets, interrupts } = wireCase.upstream ?? {}
  if (greets !== undefined || interrupts !== undefined) return 'octets outside of a response'
  const toHead = JSON.stringify(wireCase.sends).includes('HEAD ')
  const all = typeof answers === 'string' ? [answers] : Object.values(answers)
  for (const bytes of all) {
    const { whole, rest } = readMessages(bytes, { of: 'responses', toHead, isEnded: closes })
    if (rest !== 'nothing' && rest.state === 'malformed') {
      return `response syntax: ${kindOf(rest.why)}`
    }
    const begun = rest === 'nothing' ? undefined : rest.message
    if (rest !== 'nothing' && begun === undefined) return 'response syntax: incomplete head'
    if (begun !== undefined && !closes) return 'octets behind a response'
    const messages = begun === undefined ? whole : [...whole, begun]
    const finals = messages.filter(({ line }) => !line.startsWith('HTTP/1.1 1'))
    if (finals.length > 1) return 'octets behind a response'
    if (finals.length === 0) return 'response syntax: no response'
    if (messages.some(hasConnectionField)) return 'connection-specific field in the response'
    const isRefused = 'comesBack' in wireCase && typeof wireCase.comesBack === 'string'
    if (isRefused && finals.some(({ framing }) => framing === 'chunked')) return 'chunked coding'
  }
  return undefined
}

/** Beyond this nghttp2 stops decoding, which is an error of the connection (RFC 9113 section 4.3). */
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

/** Without what is quoted of the message. */
function kindOf(why: string): string {
  return why.replace(/ ".*$/s, '')
}
