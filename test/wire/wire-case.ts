/**
 * One exchange through a proxy as data: what the client and the upstream send, and what each of them must
 * receive. All strings are bytes (latin1). The cases do not depend on the proxy.
 *
 * The comparison is semantic (RFC 9110 sections 5.1 to 5.3): field names are case-insensitive, and order
 * matters only among field lines with the same name. The proxy may set some fields itself
 * (`UNCHECKED_REQUEST_FIELDS`, `UNCHECKED_RESPONSE_FIELDS`), which are compared only where a case lists them.
 * It must not add or remove any other field.
 */
export type WireCase = {
  /** States what is tested, as a sentence. */
  readonly name: string
  /** The RFC and section of the requirement, such as `9110 7.6.1`. */
  readonly rfc: string
  /** What the client sends, at once or in steps; `AUTHORITY` stands for host and port of the proxy. */
  readonly clientSends: string | readonly Step[]
  /** How the upstream responds; the default is `OK`. */
  readonly upstream?: UpstreamScript
} & (Exchange | Rejection | AmbiguousRequest)

/** The request is forwarded, and the client gets a response. */
export type Exchange = {
  /**
   * All requests that the upstream must receive, complete and well-formed. `no complete request`: it may
   * receive part of the request, but not all of it.
   */
  readonly upstreamReceives: readonly Message[] | 'no complete request'
  /**
   * All responses that the client must receive, including interim ones; the default is `OK`. `failure`: a 502, a
   * 400 if the request is invalid, or a response that is visibly truncated. `bad gateway`: a 502 with a body.
   */
  readonly clientReceives?: readonly Message[] | 'failure' | 'bad gateway'
  /** The number of upstream connections that the requests must use, if it matters. */
  readonly upstreamConnections?: number
  /** The state of the client connection afterwards: `persists` means that it serves another request. */
  readonly connection?: 'persists' | 'closes'
}

/** The proxy responds itself, and no byte reaches the upstream. */
export type Rejection = {
  /** The accepted status codes. */
  readonly rejectedWith: readonly number[]
  /** The default is that the client connection closes. */
  readonly connection?: 'persists' | 'either'
}

/**
 * A request that parsers are known to interpret differently. Either it is rejected, with a status of 400 or
 * above, and the connection closed, before a byte reaches the upstream; or the upstream receives exactly this
 * request, and the client its response.
 */
export type AmbiguousRequest = {
  /** The request as the upstream may receive it; undefined if it must be rejected. */
  readonly mayForward: Message | undefined
  /**
   * `body`: the header section may have been forwarded when the fault is found, but no complete request.
   * `semantics`: the end of the request is unambiguous, so its connection may persist. The default is `framing`.
   */
  readonly ambiguity?: 'framing' | 'body' | 'semantics'
}

export type Message = {
  /** The request line or status line. */
  readonly line: string
  /** All fields except unchecked ones; the default is none. */
  readonly fields?: readonly string[]
  /** Also compares the case of names and the order of all field lines. */
  readonly comparesExactly?: boolean
  /** Patterns that no field line may match. */
  readonly forbids?: readonly RegExp[]
  /** The members of all `Via` fields, in order; `PROXY` stands for the name of the proxy. */
  readonly via?: readonly string[]
  /** The content without framing; the default is empty. */
  readonly body?: string
  readonly framing?: Framing
  /** The trailer fields; the default is none. */
  readonly trailers?: readonly string[]
  /** The message must be truncated after `body`: the connection ends before the message does. */
  readonly isTruncated?: boolean
}

export type Framing = 'chunked' | 'length' | 'none' | 'close'

export type Step =
  | string
  /**
   * Waits until the client has received this; or until the upstream has responded, without reading; or until
   * another client has been served; or until the upstream has sent `unsolicited`, or has two connections.
   */
  | {
      readonly until:
        | RegExp
        | 'responded, unread'
        | 'another client is served'
        | 'unsolicited data was sent'
        | 'reconnected'
    }

export type UpstreamScript = {
  /** The response, or the response for each target. */
  readonly response?: string | Readonly<Record<string, string>>
  /** Whether the upstream closes the connection after the response. */
  readonly closes?: boolean
  /** The target that gets its response only after another client has been served; no other request may arrive before. */
  readonly delayedTarget?: string
  /** What the upstream sends on its first connections before it has received a request. */
  readonly sendsOnConnect?: { readonly bytes: string; readonly connections: number }
  /** What the upstream sends on its first connection without a request; then it closes it, or waits until it is closed. */
  readonly unsolicited?: { readonly bytes: string; readonly closes: boolean }
  /** Responds without waiting for the request body. */
  readonly respondsEarly?: boolean
}

/** The default response of the upstream, and its expected form at the client. */
export const OK_RESPONSE = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'
export const OK: Message = { line: 'HTTP/1.1 200 OK', body: 'ok' }

export const UNCHECKED_REQUEST_FIELDS: ReadonlySet<string> = new Set([
  'host',
  'connection',
  'content-length',
  'transfer-encoding',
  'via',
])

/** RFC 9110 section 6.6.1: a proxy may add a missing `Date`. */
export const UNCHECKED_RESPONSE_FIELDS: ReadonlySet<string> = new Set([
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
