export type MessageText = {
  /** A header or trailer section; names and values alternate. */
  readonly onSection: (section: readonly string[], endStream: boolean) => void
  readonly onData: (content: Buffer, endStream: boolean) => void
  /** The message so far as HTTP/1.1 text; a violation of HTTP/2 becomes text that is not valid HTTP/1.1. */
  readonly text: () => string
  readonly isComplete: () => boolean
}

type Kind = 'request' | 'response' | 'interim response' | 'trailer section'

/**
 * Translates the messages of one stream to HTTP/1.1 text, so that one parser and one table serve both
 * protocols. It is as strict as RFC 9113 permits, because it checks the output of a proxy.
 */
export function createMessageText(of: 'requests' | 'responses', toHead = false): MessageText {
  let text = ''
  let framing: 'none' | 'length' | 'chunked' | undefined
  let isComplete = false
  const malformed = (why: string): void => {
    text += `(${why})\r\n\r\n`
  }

  const onHead = (section: readonly string[], endStream: boolean): void => {
    const status = valueOf(section, ':status') ?? ''
    const kind = of === 'requests' ? 'request' : status[0] === '1' ? 'interim response' : 'response'
    const fault = faultOf(section, kind)
    if (fault !== undefined) {
      malformed(fault)
      return
    }
    if (kind === 'interim response') {
      if (endStream) malformed('an interim response ends the stream')
      text += [`HTTP/1.1 ${status} `, ...regularFields(section), '', ''].join('\r\n')
      return
    }
    const isBodyless = toHead || status === '204' || status === '304'
    const hasLength = valueOf(section, 'content-length') !== undefined
    const isEmptyRequest = of === 'requests' && endStream
    framing = isBodyless ? 'none' : hasLength ? 'length' : isEmptyRequest ? 'none' : 'chunked'
    const startLine =
      of === 'requests'
        ? `${valueOf(section, ':method') ?? ''} ${valueOf(section, ':path') ?? ''} HTTP/1.1`
        : `HTTP/1.1 ${status} `
    const host = of === 'requests' ? [`host: ${valueOf(section, ':authority') ?? ''}`] : []
    const coding = framing === 'chunked' ? ['transfer-encoding: chunked'] : []
    text += [startLine, ...host, ...regularFields(section), ...coding, '', ''].join('\r\n')
    if (endStream) end([])
  }
  const end = (trailers: readonly string[]): void => {
    if (framing === 'chunked') text += ['0', ...trailers, '', ''].join('\r\n')
    else if (trailers.length > 0) malformed('a trailer section after a body with Content-Length')
    isComplete = true
  }
  return {
    onSection(section, endStream) {
      if (isComplete) malformed('a section after the end of the stream')
      else if (framing === undefined) onHead(section, endStream)
      else {
        const fault = endStream ? faultOf(section, 'trailer section') : 'a second header section'
        if (fault === undefined) end(regularFields(section))
        else malformed(fault)
      }
    },
    onData(content, endStream) {
      const data = content.toString('latin1')
      if (isComplete || framing === undefined) malformed('content outside of a message')
      else if (framing === 'none' && data !== '') malformed('content of a message without a body')
      else if (framing === 'chunked' && data !== '') {
        text += `${data.length.toString(16)}\r\n${data}\r\n`
      } else text += data
      if (endStream) end([])
    },
    text: () => text,
    isComplete: () => isComplete,
  }
}

const PSEUDO_HEADER_FIELDS: Readonly<Record<Kind, readonly string[]>> = {
  request: [':authority', ':method', ':path', ':scheme'],
  response: [':status'],
  'interim response': [':status'],
  'trailer section': [],
}

/** RFC 9113 section 8.2.2. */
const CONNECTION_SPECIFIC: ReadonlySet<string> = new Set([
  'connection',
  'http2-settings',
  'keep-alive',
  'proxy-connection',
  'transfer-encoding',
  'upgrade',
])

/** RFC 9113 sections 8.2 and 8.3; the parser of the text checks the syntax of fields. */
function faultOf(section: readonly string[], kind: Kind): string | undefined {
  const names = section.filter((_, i) => i % 2 === 0)
  const pseudo = names.filter((name) => name.startsWith(':'))
  if (pseudo.toSorted().join() !== PSEUDO_HEADER_FIELDS[kind].join()) {
    return `pseudo-header fields ${pseudo.join()} of a ${kind}`
  }
  if (!names.slice(0, pseudo.length).every((name) => name.startsWith(':'))) {
    return 'a pseudo-header field after a regular field'
  }
  const upperCase = names.find((name) => name !== name.toLowerCase())
  if (upperCase !== undefined) return `the name ${upperCase}`
  const wrong = names.find((name) => CONNECTION_SPECIFIC.has(name))
  if (wrong !== undefined) return `the field ${wrong}`
  if (names.filter((name) => name === 'host').length > 0) return 'Host in addition to :authority'
  const te = valueOf(section, 'te')
  return te === undefined || te === 'trailers' ? undefined : `TE: ${te}`
}

function regularFields(section: readonly string[]): string[] {
  return section.flatMap((name, i) =>
    i % 2 === 0 && !name.startsWith(':') ? [`${name}: ${section[i + 1] ?? ''}`] : [],
  )
}

function valueOf(section: readonly string[], name: string): string | undefined {
  const at = section.findIndex((text, i) => i % 2 === 0 && text === name)
  return at === -1 ? undefined : section[at + 1]
}
