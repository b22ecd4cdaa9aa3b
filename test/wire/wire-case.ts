/**
 * One exchange through a proxy as data: what the client and the upstream send, and what each of them must
 * receive. All strings are bytes (latin1). The cases do not depend on the proxy.
 *
 * The comparison is semantic (RFC 9110 sections 5.1 to 5.3): field names are case-insensitive, and order
 * matters only among field lines with the same name. The proxy may set some fields itself
 * (`FREE_IN_REQUESTS`, `FREE_IN_RESPONSES`), which are compared only where a case lists them. It must not add
 * or remove any other field.
 */
export type WireCase = {
  /** States what is tested, as a sentence. */
  readonly name: string
  /** The RFC and section of the requirement, such as `9110 7.6.1`. */
  readonly rfc: string
  /** What the client sends, at once or in steps; `AUTHORITY` stands for host and port of the proxy. */
  readonly sends: string | readonly Step[]
  /** How the upstream responds; the default is `OK`. */
  readonly upstream?: UpstreamScript
} & (Exchange | Refusal | Doubt)

/** The request is forwarded, and the client gets a response. */
export type Exchange = {
  /**
   * All requests that must arrive, complete and well-formed. `no whole request`: a part of the request may
   * arrive, but not a complete one.
   */
  readonly arrives: readonly Message[] | 'no whole request'
  /**
   * All responses that the client must get, including interim ones; the default is `OK`. `failure`: a 502, a
   * 400 if the request is invalid, or a response that is visibly truncated. `bad gateway`: a 502 with a body.
   */
  readonly comesBack?: readonly Message[] | 'failure' | 'bad gateway'
  /** The number of connections on which the requests must arrive, if it matters. */
  readonly upstreamConnections?: number
  /** The state of the client connection afterwards: `stays` means that it serves another request. */
  readonly connection?: 'stays' | 'closes'
}

/** The proxy responds itself, and no byte reaches the upstream. */
export type Refusal = {
  /** The accepted status codes. */
  readonly refused: readonly number[]
  /** The default is that the client connection closes. */
  readonly connection?: 'stays' | 'either'
}

/**
 * A request that parsers are known to interpret differently. Either it is rejected, with a status of 400 or
 * above, and the connection closed, before a byte reaches the upstream; or exactly this one request arrives,
 * and gets a response. Undefined: it must be rejected.
 */
export type Doubt = {
  readonly atMost: Message | undefined
  /**
   * `the body`: the header section may have been forwarded when the fault is found, but no complete request
   * may arrive. `the meaning`: the end of the request is unambiguous, so its connection may persist.
   */
  readonly about?: 'the end' | 'the body' | 'the meaning'
}

export type Message = {
  /** The request line or status line. */
  readonly line: string
  /** All fields except free ones; the default is none. */
  readonly fields?: readonly string[]
  /** Compares the case of names and the order of all field lines, too. */
  readonly asWritten?: boolean
  /** Patterns that no field line may match. */
  readonly lacks?: readonly RegExp[]
  /** The members of all `Via` fields, in order; `PROXY` stands for the name of the proxy. */
  readonly via?: readonly string[]
  /** The content without framing; the default is empty. */
  readonly body?: string
  readonly framing?: Framing
  /** The trailer fields; the default is none. */
  readonly trailers?: readonly string[]
  /** The message must be truncated here: the connection ends before the body does. */
  readonly cut?: boolean
}

export type Framing = 'chunked' | 'length' | 'none' | 'close'

export type Step =
  | string
  /**
   * Waits until the client has received this; or until the upstream has responded, without reading; or until
   * another client has been served; or until the upstream has sent `interrupts`, or has two connections.
   */
  | {
      readonly until:
        | RegExp
        | 'answered, unread'
        | 'another is served'
        | 'interrupted'
        | 'connected again'
    }

export type UpstreamScript = {
  /** The response, or the response for each target. */
  readonly answers?: string | Readonly<Record<string, string>>
  /** Whether the upstream closes the connection after the response. */
  readonly closes?: boolean
  /** The target that gets its response only after another client has been served; no other request may arrive before. */
  readonly holdsBack?: string
  /** What the upstream sends on its first connections before it has received a request. */
  readonly greets?: { readonly bytes: string; readonly connections: number }
  /** What the upstream sends unsolicited on its first connection; then it closes it, or waits until it is closed. */
  readonly interrupts?: { readonly bytes: string; readonly closes: boolean }
  /** Responds without waiting for the request body. */
  readonly isEarly?: boolean
}

/** The default response of the upstream, and its expected form at the client. */
export const OK_ANSWER = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'
export const OK: Message = { line: 'HTTP/1.1 200 OK', body: 'ok' }

export const FREE_IN_REQUESTS: ReadonlySet<string> = new Set([
  'host',
  'connection',
  'content-length',
  'transfer-encoding',
  'via',
])

/** RFC 9110 section 6.6.1: a proxy may add a missing `Date`. */
export const FREE_IN_RESPONSES: ReadonlySet<string> = new Set([
  'connection',
  'content-length',
  'date',
  'keep-alive',
  'transfer-encoding',
  'via',
])

/** Joins lines with CRLF. */
export function lines(...parts: readonly string[]): string {
  return parts.join('\r\n')
}

/** A start line and field lines, with the empty line that ends them. */
export function head(...parts: readonly string[]): string {
  return lines(...parts, '', '')
}

/** A complete chunked body. */
export function chunked(...chunks: readonly string[]): string {
  return [...chunks.map(chunk), lastChunk()].join('')
}

export function chunk(data: string): string {
  return lines(data.length.toString(16), data, '')
}

/** The last chunk and the trailer section of a chunked body. */
export function lastChunk(...trailers: readonly string[]): string {
  return lines('0', ...trailers, '', '')
}
