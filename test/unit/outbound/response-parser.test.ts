import { request } from 'node:http'
import { Duplex } from 'node:stream'
import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { createResponseParser } from '../../../src/outbound/response-parser.ts'

/** Responses of every framing; some begin with an interim one. */
const COMPLETE: readonly string[] = [
  'HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-A: 1\r\n\r\nhello',
  'HTTP/1.1 204 No Content\r\nX-A: caf\xe9\r\n\r\n',
  'HTTP/1.1 200 \r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6;a="b"\r\n world\r\n0\r\nX-Sum:\t1 \r\n\r\n',
  'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n00a\r\n0123456789\r\n0\r\n\r\n',
  'HTTP/1.0 200 OK\r\nServer: old\r\n\r\nuntil the end',
  'HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n',
]

type Read = {
  readonly heads: { status: number; phrase: string; fields: readonly string[] }[]
  body: string
  trailers: readonly string[] | undefined
  rejected: string | undefined
  /** The bytes after the response. */
  rest: string
}

/** The result of parsing a response that arrives in these pieces, followed by the end of the connection. */
function read(pieces: readonly string[], maxHeaderBytes = 16_384): Read {
  const seen: Read = { heads: [], body: '', trailers: undefined, rejected: undefined, rest: '' }
  const parser = createResponseParser('http://api', maxHeaderBytes, {
    onHead({ status, phrase, fields }) {
      seen.heads.push({ status, phrase, fields })
      return status === 101
    },
    onData: (chunk) => void (seen.body += chunk.toString('latin1')),
    onEnd: (trailers) => void (seen.trailers = trailers),
  })
  parser.expect('GET')
  try {
    for (const piece of pieces) {
      const chunk = Buffer.from(piece, 'latin1')
      seen.rest += chunk.toString('latin1', parser.read(chunk, 0))
    }
    parser.finish()
  } catch (thrown) {
    seen.rejected = String(thrown)
  }
  return seen
}

const isComplete = ({ rejected, trailers }: Read): boolean =>
  rejected === undefined && trailers !== undefined

const completeOr = <T>(seen: Read, otherwise: T): Read | T => (isComplete(seen) ? seen : otherwise)

/** A response with a few bytes removed, inserted or changed. */
const damaged = fc
  .tuple(
    fc.constantFrom(...COMPLETE),
    fc.array(
      fc.tuple(
        fc.nat(120),
        fc.nat(2),
        fc.constantFrom('', ...'\r\n\t :;,0x1\0\x80\x7f"'.split(''), '\r\n', 'chunked', 'identity'),
      ),
      { maxLength: 3 },
    ),
  )
  .map(([response, edits]) => {
    let text = response
    for (const [place, taken, put] of edits) {
      const at = place % text.length
      text = text.slice(0, at) + put + text.slice(at + taken)
    }
    return text
  })

const RUNS = { numRuns: 3000 }

test.for(COMPLETE)('%j is a response', (response) => {
  expect(isComplete(read([response]))).toBe(true)
})

test('the result does not depend on how a response is split into reads', () => {
  fc.assert(
    fc.property(damaged, fc.array(fc.nat(120), { maxLength: 6 }), (response, cuts) => {
      const places = [0, ...cuts.map((cut) => cut % (response.length + 1)), response.length]
      const sorted = places.toSorted((a, b) => a - b)
      const pieces = sorted.map((place, index) => response.slice(sorted[index - 1] ?? 0, place))
      expect(completeOr(read(pieces), 'rejected')).toEqual(completeOr(read([response]), 'rejected'))
    }),
    RUNS,
  )
})

test('the parser of Node accepts every accepted response, with the same result', async () => {
  await fc.assert(
    fc.asyncProperty(damaged, async (response) => {
      const ours = read([response])
      // Node's parser does not accept a tab after the name of a coding (allowed by RFC 9110 section 5.6.3),
      if (!isComplete(ours) || /chunked[ \t]*\t/.test(response)) return
      // an empty list element after the coding (allowed by RFC 9110 section 5.6.1),
      if (/chunked[ \t]*,/.test(response)) return
      // or whitespace around chunk extensions (allowed by RFC 9112 section 7.1.1).
      if (/[ \t]+[;=]|[;=][ \t]+/.test(response)) return
      const { rejected: _, rest, ...message } = ours
      // Bytes after the response are excluded, because Node's parser may reject them.
      expect(await readByNode(response.slice(0, response.length - rest.length))).toEqual(message)
    }),
    RUNS,
  )
})

test('a response that is paused at any position is complete after it is resumed', () => {
  fc.assert(
    fc.property(fc.constantFrom(...COMPLETE), fc.nat(6), (response, pauseAt) => {
      let events = 0
      const pauseSometimes = (): void => {
        if (events === pauseAt) parser.pause()
        events += 1
      }
      let body = ''
      let isOver = false
      const parser = createResponseParser('http://api', 16_384, {
        onHead() {
          pauseSometimes()
          return false
        },
        onData(chunk) {
          pauseSometimes()
          body += chunk.toString('latin1')
        },
        onEnd: () => void (isOver = true),
      })
      parser.expect('GET')
      const bytes = Buffer.from(response, 'latin1')
      const at = parser.read(bytes, 0)
      const bodyBefore = body
      expect(parser.read(bytes, at)).toBe(at)
      expect(body).toBe(bodyBefore)
      parser.resume()
      parser.read(bytes, at)
      if (!isOver) parser.finish()
      expect(isOver).toBe(true)
      expect(body).toBe(read([response]).body)
    }),
  )
})

test.for([
  [
    'HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nok',
    'more than one Content-Length',
  ],
  ['HTTP/1.1 200 OK\r\nContent-Length: 2, 2\r\n\r\nok', 'is not a length'],
  ['HTTP/1.1 200 OK\r\nContent-Length:\r\n\r\nok', 'is not a length'],
  [
    'HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: x\r\n\r\nok',
    'both Content-Length and Transfer-Encoding',
  ],
  ['HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n', 'in HTTP/1.0'],
  ['HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n', 'not supported'],
  ['HTTP/1.0 103 Early Hints\r\n\r\n', 'no interim responses'],
  ['HTTP/1.1 200 OK\r\nX A: 1\r\n\r\n', 'is no field'],
  ['HTTP/1.1 200 OK\r\n: 1\r\n\r\n', 'is no field'],
] as const)('the response %j is rejected: %s', ([response, why]) => {
  expect(read([response]).rejected).toContain(why)
})

test.for(['204 No Content', '304 Not Modified'])(
  'a %s has no body, whatever its fields are',
  (status) => {
    const seen = read([`HTTP/1.1 ${status}\r\nContent-Length: 2\r\n\r\nok`])
    expect(seen).toMatchObject({ body: '', trailers: [], rest: 'ok' })
  },
)

test('a head of exactly the maximum size is accepted, and one byte more is too large', () => {
  const head = 'HTTP/1.1 204 No Content\r\nX-A: 1\r\n\r\n'
  expect(read([head], head.length).rejected).toBeUndefined()
  expect(read([head], head.length - 1).rejected).toContain('too large')
  expect(read(head.split(''), head.length).rejected).toBeUndefined()
  expect(read(head.split(''), head.length - 1).rejected).toContain('too large')
})

test('a trailer section above the maximum size is rejected', () => {
  const body = 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n'
  expect(read([`${body}X-A: ${'a'.repeat(100)}\r\n\r\n`], 80).rejected).toContain('too large')
})

test('an invalid response is rejected before it is complete', () => {
  expect(read(['SSH-2.0']).rejected).toContain('status line')
  expect(read(['HTTP/1.1 200 OK\nX-A']).rejected).toContain('line feed')
  expect(read(['HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n', '5\n']).rejected).toContain(
    'line feed',
  )
})

test('the length of a chunk-size line is limited', () => {
  const response = `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;${'a'.repeat(5_000)}`
  expect(read([response]).rejected).toContain('its size')
})

test('the chunks of one read are passed on as one piece', () => {
  const { pieces, parser } = readingChunks()
  const bytes = Buffer.from(CHUNKED + '1\r\na\r\n2;x\r\nbc\r\n3\r\ndef\r\n4\r\ngh', 'latin1')
  expect(parser.read(bytes, 0)).toBe(bytes.length)
  expect(pieces).toEqual(['abcdefgh'])
  const rest = Buffer.from('ij\r\n0\r\n\r\n', 'latin1')
  parser.read(rest, 0)
  expect(pieces).toEqual(['abcdefgh', 'ij'])
})

test('the number of chunks that are parsed in one turn is limited', () => {
  const { pieces, parser } = readingChunks()
  const chunks = '1\r\nx\r\n'.repeat(2_000)
  const bytes = Buffer.from(`${CHUNKED}${chunks}0\r\n\r\n`, 'latin1')
  let at = 0
  let turns = 0
  while (!parser.isIdle()) {
    at = parser.read(bytes, at)
    turns += 1
  }
  expect(turns).toBe(4)
  expect(pieces.map(({ length }) => length)).toEqual([512, 512, 512, 464])
})

test('a short body does not retain the memory of a large read', () => {
  const { buffers, parser } = readingChunks()
  const extension = 'x'.repeat(2_000)
  const bytes = Buffer.from(CHUNKED + `1;${extension}\r\na\r\n`.repeat(40), 'latin1')
  parser.read(bytes, 0)
  const [content] = buffers
  expect(content?.toString()).toBe('a'.repeat(40))
  expect(content?.buffer).not.toBe(bytes.buffer)
})

test('an invalid chunk fails a read before any of its content is passed on', () => {
  const { pieces, parser } = readingChunks()
  expect(() => parser.read(Buffer.from(`${CHUNKED}1\r\na\r\nxyz\r\n`), 0)).toThrow('its size')
  expect(pieces).toEqual([])
})

test('interim responses are limited in number and size', () => {
  const ok = 'HTTP/1.1 204 No Content\r\n\r\n'
  const interim = 'HTTP/1.1 102 Processing\r\n\r\n'
  expect(isComplete(read([interim.repeat(64) + ok]))).toBe(true)
  expect(read([interim.repeat(65) + ok]).rejected).toContain('too many interim responses')
  const large = `HTTP/1.1 103 Early Hints\r\nX-A: ${'a'.repeat(60)}\r\n\r\n`
  expect(isComplete(read([large.repeat(4) + ok], large.length))).toBe(true)
  expect(read([large.repeat(5) + ok], large.length).rejected).toContain('too many interim')
})

test('bytes after a response are not consumed', () => {
  expect(read(['HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1']).rest).toBe('HTTP/1.1')
})

const CHUNKED = 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n'

/** A parser that expects a response, and the content that it delivers. */
function readingChunks() {
  const buffers: Buffer[] = []
  const pieces: string[] = []
  const parser = createResponseParser('http://api', 16_384, {
    onHead: () => false,
    onData(content) {
      buffers.push(content)
      pieces.push(content.toString('latin1'))
    },
    onEnd() {},
  })
  parser.expect('GET')
  return { buffers, pieces, parser }
}

/** The result of the parser of Node's HTTP client; undefined for a rejected response. */
async function readByNode(response: string) {
  const { promise, resolve } = Promise.withResolvers<Omit<Read, 'rejected' | 'rest'> | undefined>()
  const connection = new Duplex({
    read() {},
    write: (_chunk, _encoding, callback) => callback(),
  })
  const heads: Read['heads'] = []
  const sent = request({ createConnection: () => connection })
  sent.on('error', () => resolve(undefined))
  sent.on('information', ({ statusCode, statusMessage, rawHeaders }) => {
    heads.push({ status: statusCode, phrase: statusMessage, fields: rawHeaders })
  })
  sent.on('response', (message) => {
    const { statusCode: status = 0, statusMessage: phrase = '', rawHeaders: fields } = message
    heads.push({ status, phrase, fields })
    let body = ''
    message.setEncoding('latin1')
    message.on('data', (chunk: string) => void (body += chunk))
    message.on('error', () => resolve(undefined))
    message.on('end', () => {
      resolve(message.complete ? { heads, body, trailers: message.rawTrailers } : undefined)
    })
  })
  sent.end()
  connection.push(Buffer.from(response, 'latin1'))
  connection.push(null)
  return await promise
}
