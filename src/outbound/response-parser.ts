import {
  couldBeHead,
  NO_STATUS_LINE,
  parseFields,
  parseHead,
  type Refuse,
  type ResponseHead,
  TOKEN,
} from './response-head.ts'
import { joinContent } from './join-content.ts'
import { createInterimLimit, TOO_MANY_INTERIM_RESPONSES } from './interim-limit.ts'
import { upstreamFailure } from '../http/upstream-failure.ts'

/** What a response consists of, in order. Interim responses have a head only, and another head follows. */
export type ResponseEvents = {
  /** Returns whether another protocol follows. */
  readonly onHead: (head: ResponseHead) => boolean
  readonly onData: (chunk: Buffer) => void
  /** `trailers` alternates names and values. */
  readonly onEnd: (trailers: readonly string[]) => void
}

/** Reads the responses on one connection, one for each request. */
export type ResponseParser = {
  /** Expects the response to a request with this method. */
  readonly expect: (method: string) => void
  /**
   * Parses `chunk` beginning at `from`, and returns where it stopped: at the end of the chunk or of the
   * response, where it was paused, or at the limit for one turn of the event loop. May move bytes within
   * `chunk`. Throws `upstream_protocol`; then no data of this call has been forwarded.
   */
  readonly read: (chunk: Buffer, from: number) => number
  /** The connection has ended. Returns whether this completes the response. */
  readonly finish: () => boolean
  readonly pause: () => void
  readonly resume: () => void
  /** Whether no response is due. */
  readonly isIdle: () => boolean
}

/**
 * The position of the parser: between responses; in a head; in a body of known length, a chunked or a
 * close-delimited one; at the end of a response that has not been reported yet; or behind a switch of
 * protocols.
 */
type State =
  | 'idle'
  | 'head'
  | 'length'
  | 'size'
  | 'chunk'
  | 'chunk end'
  | 'trailers'
  | 'until end'
  | 'end'
  | 'switched'

/**
 * Parses RFC 9112 strictly where recipients could disagree: no bare line feed, no folded line, no second
 * length, only digits in a number. There is no lenient mode.
 */
export function createResponseParser(
  origin: string,
  maxHeaderBytes: number,
  { onHead, onData, onEnd }: ResponseEvents,
): ResponseParser {
  const refuse: Refuse = (why) =>
    upstreamFailure(origin, 'protocol', `the response is not valid HTTP: ${why}`)
  const interimLimit = createInterimLimit(maxHeaderBytes)
  const sectionEnd = { bytes: SECTION_END, maxBytes: maxHeaderBytes, tooFar: TOO_LARGE }
  let state: State = 'idle'
  let isPaused = false
  let isHeadRequest = false
  /** Octets that remain of the body or the chunk. */
  let left = 0
  /** A section or chunk-size line of which only the beginning was received. */
  let begun: Buffer | undefined
  /** How much of the line end behind a chunk was received. */
  let endBytes = 0
  /** The content of the current read that was not forwarded yet: where each part begins and ends. */
  const parts: number[] = []
  let chunksInTurn = 0
  /** Those of the current response. */
  let trailers: readonly string[] = []

  const readHead = (chunk: Buffer, from: number): number => {
    const { text, to } = takeUntil(chunk, from, sectionEnd)
    if (text === undefined) return to
    const head = parseHead(text, refuse)
    const { status } = head
    if (status < 200) {
      if (head.version === '1.0') throw refuse('HTTP/1.0 has no interim responses')
      if (!interimLimit.allows(text.length)) throw refuse(TOO_MANY_INTERIM_RESPONSES)
      if (onHead(head)) state = 'switched'
      return to
    }
    const isBodiless = isHeadRequest || status === 204 || status === 304
    left = isBodiless ? 0 : head.length
    state = isBodiless || !Number.isNaN(left) ? 'length' : head.isChunked ? 'size' : 'until end'
    onHead(head)
    return to
  }

  /** The text from `from` to its end inclusive, once that was received, and where it ends. */
  const takeUntil = (chunk: Buffer, from: number, { bytes, maxBytes, tooFar }: End) => {
    let all = chunk
    let begin = from
    let had = 0
    if (begun !== undefined) {
      had = begun.length
      all = Buffer.concat([begun, chunk.subarray(from, from + maxBytes + bytes.length)])
      begin = 0
    }
    const at = all.indexOf(bytes, Math.max(begin, had - bytes.length + 1))
    const size = (at === -1 ? all.length : at + bytes.length) - begin
    if (size > maxBytes) throw refuse(tooFar)
    if (at !== -1) {
      begun = undefined
      return { text: all.toString('latin1', begin, begin + size), to: from + size - had }
    }
    begun = Buffer.from(all.subarray(begin))
    // Invalid input fails at once, instead of at the size limit or a timeout.
    if (hasBareLineFeed(begun, had)) throw refuse('a line ends with a bare line feed')
    if (state === 'head' && !couldBeHead(begun)) throw refuse(NO_STATUS_LINE)
    return { text: undefined, to: chunk.length }
  }

  const readBody = (chunk: Buffer, from: number): number => {
    const to = Math.min(chunk.length, from + left)
    left -= to - from
    parts.push(from, to)
    return to
  }

  /** Forwards the parsed content as one chunk. */
  const forward = (chunk: Buffer): void => {
    if (parts.length === 0) return
    const content = joinContent(chunk, parts)
    parts.length = 0
    onData(content)
  }

  const readSize = (chunk: Buffer, from: number): number => {
    chunksInTurn += 1
    let to = begun === undefined ? readPlainSize(chunk, from) : from
    if (to === from) {
      const line = takeUntil(chunk, from, SIZE_END)
      to = line.to
      if (line.text === undefined) return to
      const size = CHUNK_SIZE.exec(line.text)?.[1]
      if (size === undefined) throw refuse(NO_SIZE)
      left = Number.parseInt(size, 16)
    }
    state = left === 0 ? 'trailers' : 'chunk'
    // The line end is part of the delimiter of an empty trailer section.
    if (left === 0) begun = Buffer.from(LINE_END)
    return to
  }

  /** Reads a line that consists of a size only, and returns where it ends; `from` for any other line. */
  const readPlainSize = (chunk: Buffer, from: number): number => {
    let size = 0
    let at = from
    for (; at < from + PLAIN_SIZE_DIGITS; at += 1) {
      const digit = hexDigit(chunk[at])
      if (digit === -1) break
      size = size * 16 + digit
    }
    if (at === from || chunk[at] !== CR || chunk[at + 1] !== LF) return from
    left = size
    return at + LINE_END.length
  }

  const readChunkEnd = (chunk: Buffer, from: number): number => {
    if (endBytes === 0 && chunk[from] === CR && chunk[from + 1] === LF) {
      state = 'size'
      return from + LINE_END.length
    }
    if (chunk[from] !== LINE_END[endBytes]) throw refuse('a chunk is not as long as its size says')
    endBytes = (endBytes + 1) % LINE_END.length
    if (endBytes === 0) state = 'size'
    return from + 1
  }

  const readTrailers = (chunk: Buffer, from: number): number => {
    const { text, to } = takeUntil(chunk, from, sectionEnd)
    if (text !== undefined) {
      trailers = parseFields(text, LINE_END.length, refuse)
      state = 'end'
    }
    return to
  }

  const end = (): void => {
    state = 'idle'
    onEnd(trailers)
  }

  /** One step. Needs at least one octet, unless a body is at its end. */
  const step = (chunk: Buffer, from: number): number => {
    switch (state) {
      case 'head': {
        return readHead(chunk, from)
      }
      case 'length': {
        return readBody(chunk, from)
      }
      case 'size': {
        return readSize(chunk, from)
      }
      case 'chunk': {
        const to = readBody(chunk, from)
        if (left === 0) state = 'chunk end'
        return to
      }
      case 'chunk end': {
        return readChunkEnd(chunk, from)
      }
      case 'trailers': {
        return readTrailers(chunk, from)
      }
      case 'until end': {
        parts.push(from, chunk.length)
        return chunk.length
      }
      case 'end':
      case 'idle':
      case 'switched': {
        return from
      }
    }
  }

  const canRead = (): boolean => !isPaused && state !== 'idle' && state !== 'switched'

  return {
    expect(method) {
      state = 'head'
      isPaused = false
      isHeadRequest = method === 'HEAD'
      interimLimit.reset()
      trailers = []
    },
    read(chunk, from) {
      let at = from
      chunksInTurn = 0
      while (canRead()) {
        if (state === 'length' && left === 0) state = 'end'
        if (state === 'end') {
          // Forwarding the last of the content may pause the parser.
          forward(chunk)
          if (canRead()) end()
        } else if (at === chunk.length || (chunksInTurn >= MAX_CHUNKS_PER_TURN && state === 'size'))
          break
        else at = step(chunk, at)
      }
      forward(chunk)
      return at
    },
    finish() {
      if (state !== 'until end') return false
      end()
      return true
    },
    pause() {
      isPaused = true
    },
    resume() {
      isPaused = false
    },
    isIdle: () => state === 'idle',
  }
}

const LINE_END = Buffer.from('\r\n')
const SECTION_END = Buffer.from('\r\n\r\n')

/** The delimiter of a part that is parsed when it is complete, and the maximum size of the part. */
type End = { readonly bytes: Buffer; readonly maxBytes: number; readonly tooFar: string }

const TOO_LARGE = 'its header section is too large'
const NO_SIZE = 'a chunk does not begin with its size'

/** Chunk extensions behind the size are ignored (RFC 9112 section 7.1.1). */
const SIZE_END: End = { bytes: LINE_END, maxBytes: 4_096, tooFar: NO_SIZE }

const QUOTED = '"(?:[\\t !#-[\\]-~\\x80-\\xff]|\\\\[\\t -~\\x80-\\xff])*"'
/** RFC 9110 section 5.6.3. */
const BWS = '[\\t ]*'
// At most as many digits as a JavaScript number can represent.
const CHUNK_SIZE = new RegExp(
  `^0*([\\da-fA-F]{1,13})(?:${BWS};${BWS}${TOKEN}(?:${BWS}=${BWS}(?:${TOKEN}|${QUOTED}))?)*\r\n$`,
)
const PLAIN_SIZE_DIGITS = 8
const CR = 0x0d
const LF = 0x0a

/** Reading more chunks than this at once would delay other requests noticeably. */
const MAX_CHUNKS_PER_TURN = 512

function hexDigit(code: number | undefined): number {
  if (code === undefined) return -1
  if (code >= 0x30 && code <= 0x39) return code - 0x30
  const lower = code | 0x20
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : -1
}

function hasBareLineFeed(bytes: Buffer, from: number): boolean {
  for (let at = bytes.indexOf(0x0a, from); at !== -1; at = bytes.indexOf(0x0a, at + 1)) {
    if (bytes[at - 1] !== 0x0d) return true
  }
  return false
}
