import type { Framing } from './wire-case.ts'

export type ReadMessage = {
  readonly line: string
  /** `Name: value`, without whitespace around the value. */
  readonly fields: readonly string[]
  readonly framing: Framing
  readonly body: string
  readonly trailers: readonly string[]
}

export type Reading =
  | { readonly state: 'complete'; readonly message: ReadMessage; readonly rest: string }
  /** More data is needed; `message` is set once its header section is complete. */
  | { readonly state: 'incomplete'; readonly message?: ReadMessage }
  | { readonly state: 'malformed'; readonly why: string }

export type Reader = {
  readonly of: 'requests' | 'responses'
  /** Whether these are responses to HEAD. */
  readonly toHead?: boolean
  /** Whether the connection has ended. */
  readonly isEnded: boolean
}

const REQUEST_LINE = /^[\w!#$%&'*+\-.^`|~]+ [!-~]+ HTTP\/1\.[01]$/
const STATUS_LINE = /^HTTP\/1\.1 [1-9]\d\d [\t\x20-\x7e\x80-\xff]*$/
const FIELD_LINE =
  /^([\w!#$%&'*+\-.^`|~]+):[\t ]*((?:[\x21-\x7e\x80-\xff](?:[\t\x20-\x7e\x80-\xff]*[\x21-\x7e\x80-\xff])?)?)[\t ]*$/

/**
 * Reads one message from the beginning of `bytes`, as strictly as RFC 9112 permits: a message that two
 * parsers could interpret differently is malformed.
 */
export function readMessage(bytes: string, reader: Reader): Reading {
  const headEnd = bytes.indexOf('\r\n\r\n')
  if (headEnd === -1) return { state: 'incomplete' }
  const [line = '', ...fieldLines] = bytes.slice(0, headEnd).split('\r\n')
  const startLine = reader.of === 'requests' ? REQUEST_LINE : STATUS_LINE
  if (!startLine.test(line)) return malformed(`start line ${JSON.stringify(line)}`)
  const fields: string[] = []
  for (const fieldLine of fieldLines) {
    const field = readField(fieldLine)
    if (field === undefined) return malformed(`field line ${JSON.stringify(fieldLine)}`)
    fields.push(field)
  }
  if (reader.of === 'requests' && valuesOf(fields, 'host').length !== 1) {
    return malformed('not exactly one Host')
  }
  return readBody({ line, fields }, bytes.slice(headEnd + 4), reader)
}

type Head = Pick<ReadMessage, 'line' | 'fields'>

/** RFC 9112 section 6.3 in order, without the forms that it only tolerates. */
function readBody(head: Head, bytes: string, reader: Reader): Reading {
  const lengths = valuesOf(head.fields, 'content-length')
  const codings = valuesOf(head.fields, 'transfer-encoding')
  if (lengths.length + codings.length > 1) return malformed('framed more than once')
  const status = reader.of === 'responses' ? (head.line.split(' ')[1] ?? '') : ''
  if (reader.toHead === true || /^1|^204$|^304$/.test(status))
    return complete(head, 'none', '', bytes)

  const [coding] = codings
  if (coding !== undefined) {
    return coding.toLowerCase() === 'chunked'
      ? readChunks(head, bytes)
      : malformed(`transfer coding ${JSON.stringify(coding)}`)
  }
  const [length] = lengths
  if (length !== undefined) {
    if (!/^\d+$/.test(length)) return malformed(`length ${JSON.stringify(length)}`)
    const body = bytes.slice(0, Number(length))
    const isComplete = body.length === Number(length)
    if (isComplete) return complete(head, 'length', body, bytes.slice(body.length))
    return { state: 'incomplete', message: { ...head, framing: 'length', body, trailers: [] } }
  }
  if (reader.of === 'requests') return complete(head, 'none', '', bytes)
  if (reader.isEnded) return complete(head, 'close', bytes, '')
  return { state: 'incomplete', message: { ...head, framing: 'close', body: bytes, trailers: [] } }
}

/** RFC 9112 section 7.1. */
function readChunks(head: Head, bytes: string): Reading {
  let body = ''
  let rest = bytes
  for (;;) {
    const incomplete: Reading = {
      state: 'incomplete',
      message: { ...head, framing: 'chunked', body, trailers: [] },
    }
    const lineEnd = rest.indexOf('\r\n')
    if (lineEnd === -1) return incomplete
    const size = /^([\da-f]{1,8})(?:;[\t\x20-\x7e]*)?$/i.exec(rest.slice(0, lineEnd))?.[1]
    if (size === undefined) return malformed(`chunk ${JSON.stringify(rest.slice(0, lineEnd))}`)
    const length = Number.parseInt(size, 16)
    rest = rest.slice(lineEnd + 2)
    if (length === 0) break
    if (rest.length < length + 2) {
      return {
        ...incomplete,
        message: { ...head, framing: 'chunked', body: body + rest.slice(0, length), trailers: [] },
      }
    }
    if (rest.slice(length, length + 2) !== '\r\n') return malformed('no CRLF after a chunk')
    body += rest.slice(0, length)
    rest = rest.slice(length + 2)
  }
  const trailers: string[] = []
  for (;;) {
    const lineEnd = rest.indexOf('\r\n')
    if (lineEnd === -1) {
      return { state: 'incomplete', message: { ...head, framing: 'chunked', body, trailers } }
    }
    const trailerLine = rest.slice(0, lineEnd)
    rest = rest.slice(lineEnd + 2)
    if (trailerLine === '') break
    const trailer = readField(trailerLine)
    if (trailer === undefined) return malformed(`trailer ${JSON.stringify(trailerLine)}`)
    trailers.push(trailer)
  }
  return {
    state: 'complete',
    message: { ...head, framing: 'chunked', body, trailers },
    rest,
  }
}

function complete(head: Head, framing: Framing, body: string, rest: string): Reading {
  return { state: 'complete', message: { ...head, framing, body, trailers: [] }, rest }
}

function malformed(why: string): Reading {
  return { state: 'malformed', why }
}

function readField(line: string): string | undefined {
  const found = FIELD_LINE.exec(line)
  return found === null ? undefined : `${found[1] ?? ''}: ${found[2] ?? ''}`
}

/** The name of a field line, in lower case. */
export function nameOf(field: string): string {
  return field.slice(0, field.indexOf(':')).toLowerCase()
}

/** Without the whitespace around it, which is that of HTTP only: a no-break space is part of the value. */
export function valueOf(field: string): string {
  return field.slice(field.indexOf(':') + 1).replaceAll(/^[\t ]+|[\t ]+$/g, '')
}

export function valuesOf(fields: readonly string[], name: string): string[] {
  return fields.filter((field) => nameOf(field) === name).map(valueOf)
}

export type ReadAll = {
  readonly complete: readonly ReadMessage[]
  /** What follows the last complete message. */
  readonly rest: 'nothing' | Exclude<Reading, { state: 'complete' }>
}

/** All messages of a connection. */
export function readMessages(bytes: string, reader: Reader): ReadAll {
  const messages: ReadMessage[] = []
  let rest = bytes
  while (rest !== '') {
    const reading = readMessage(rest, reader)
    if (reading.state !== 'complete') return { complete: messages, rest: reading }
    messages.push(reading.message)
    rest = reading.rest
  }
  return { complete: messages, rest: 'nothing' }
}
