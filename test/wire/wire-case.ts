/**
 * One exchange through a proxy, as data: what goes in on both sides and what must come out of both.
 * All strings are bytes (latin1). Nothing here knows what the proxy is.
 *
 * Compared is what HTTP gives a meaning (RFC 9110 sections 5.1 to 5.3): names in any case, and the
 * order of lines of one name. A proxy may write some fields itself (`FREE_IN_REQUESTS`,
 * `FREE_IN_RESPONSES`), wherever and however it likes; they count only where a case names them.
 * Besides these it may add nothing and lose nothing.
 */
export type WireCase = {
  /** A sentence. */
  readonly name: string
  /** The RFC and the section that say so, such as `9110 7.6.1`. */
  readonly rfc: string
  /** What the client sends, at once or in steps. `AUTHORITY` stands for host and port of the proxy. */
  readonly sends: string | readonly Step[]
  /** What the upstream does with what arrives; it says `OK` unless told otherwise. */
  readonly upstream?: UpstreamScript
} & (Exchange | Refusal | Doubt)

/** The request is passed on, and something comes back. */
export type Exchange = {
  /**
   * All requests that must arrive, whole and well-formed. `no whole request`: it may have begun to
   * arrive, but must not look finished.
   */
  readonly arrives: readonly Message[] | 'no whole request'
  /**
   * All that the client must get, interim responses too; `OK` unless told otherwise. `failure`: the
   * proxy says so (502, or 400 where the request is to blame), or the answer is visibly cut.
   * `bad gateway`: the proxy says so, with a 502 that has a body.
   */
  readonly comesBack?: readonly Message[] | 'failure' | 'bad gateway'
  /** On how many connections the requests arrive, if that matters. */
  readonly upstreamConnections?: number
  /** What becomes of the client's connection: `stays` means that another request is answered on it. */
  readonly connection?: 'stays' | 'closes'
}

/** The proxy answers by itself, and not one byte reaches the upstream. */
export type Refusal = {
  /** The statuses that will do. */
  readonly refused: readonly number[]
  /** It closes, unless the case says that it stays, or that either is as good. */
  readonly connection?: 'stays' | 'either'
}

/**
 * What parsers are known to disagree about. Either it is refused, with a status of 400 or above and
 * the end of the connection, before a byte reaches the upstream; or exactly this one request arrives
 * (never a second one), and it is answered. Undefined: it can only be refused.
 */
export type Doubt = {
  readonly atMost: Message | undefined
  /**
   * A fault in the body is found when the head may be under way: then no whole request may arrive.
   * Where only the meaning is in doubt, but not where the request ends, its connection may stay.
   */
  readonly about?: 'the end' | 'the body' | 'the meaning'
}

export type Message = {
  /** The request line or status line. */
  readonly line: string
  /** All fields, besides those that are free; none unless said. */
  readonly fields?: readonly string[]
  /** The names must be in this case and the lines in this order: more than HTTP asks for. */
  readonly asWritten?: boolean
  /** What must not be in the head, whoever wrote it. */
  readonly lacks?: readonly RegExp[]
  /** The members of all `Via` fields, in order; `PROXY` stands for the proxy's own name. */
  readonly via?: readonly string[]
  /** The content, without its framing; empty unless said. */
  readonly body?: string
  readonly framing?: Framing
  /** The fields behind a chunked body; none unless said. */
  readonly trailers?: readonly string[]
  /** It must break off here: the end of its connection without the end of its body. */
  readonly cut?: boolean
}

export type Framing = 'chunked' | 'length' | 'none' | 'close'

export type Step =
  | string
  /**
   * Wait until this has come back; or, without reading, until the upstream has answered; or until
   * another client has been served; or until the upstream has interrupted, or has two connections.
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
  /** What it answers, or what it answers to requests for each of these targets. */
  readonly answers?: string | Readonly<Record<string, string>>
  /** Whether it closes after that. */
  readonly closes?: boolean
  /** The target that it answers only when it has served another client; until then no other may arrive. */
  readonly holdsBack?: string
  /** What it sends on its first connections before anything has arrived. */
  readonly greets?: { readonly bytes: string; readonly connections: number }
  /** What it sends on its first connection, when the case says so; it closes then, or waits for that. */
  readonly interrupts?: { readonly bytes: string; readonly closes: boolean }
  /** It does not wait for the body. */
  readonly isEarly?: boolean
}

/** What the upstream answers when a case does not care, and how that comes back. */
export const OK_ANSWER = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'
export const OK: Message = { line: 'HTTP/1.1 200 OK', body: 'ok' }

export const FREE_IN_REQUESTS: ReadonlySet<string> = new Set([
  'host',
  'connection',
  'content-length',
  'transfer-encoding',
  'via',
])

/** RFC 9110 section 6.6.1 has a proxy add `Date` where there is none. */
export const FREE_IN_RESPONSES: ReadonlySet<string> = new Set([
  'connection',
  'content-length',
  'date',
  'keep-alive',
  'transfer-encoding',
  'via',
])

/** Lines, with what belongs between them. */
export function lines(...parts: readonly string[]): string {
  return parts.join('\r\n')
}

/** A start line and fields, and the empty line behind them. */
export function head(...parts: readonly string[]): string {
  return lines(...parts, '', '')
}

/** A chunked body of these chunks, and its end. */
export function chunked(...chunks: readonly string[]): string {
  return [...chunks.map(chunk), lastChunk()].join('')
}

export function chunk(data: string): string {
  return lines(data.length.toString(16), data, '')
}

/** The end of a chunked body, with these trailers. */
export function lastChunk(...trailers: readonly string[]): string {
  return lines('0', ...trailers, '', '')
}
