import { expect, test } from 'vitest'
import { requestHead } from '../../../src/outbound/request-writer.ts'
import { requestBody } from '../../helpers/exchange-request.ts'
import { upstreamRequest } from '../../helpers/upstream-request.ts'

function headOf(given: Parameters<typeof upstreamRequest>[0], isLast = false) {
  return requestHead(upstreamRequest(given), 'api.example', isLast)
}

test('a request without a Host field gets the host of the upstream', () => {
  expect(headOf({ fields: ['Accept', '*/*'] }).text).toBe(
    'GET / HTTP/1.1\r\nHost: api.example\r\nAccept: */*\r\nConnection: keep-alive\r\n\r\n',
  )
})

test('fields keep their order, case and number, and a Host field is kept', () => {
  const fields = ['X-a', '1', 'hOST', 'other.example', 'X-A', '2', 'x-a', '']
  expect(headOf({ method: 'DELETE', path: '/a?b', fields }).text).toBe(
    'DELETE /a?b HTTP/1.1\r\nX-a: 1\r\nhOST: other.example\r\nX-A: 2\r\nx-a: \r\nConnection: keep-alive\r\n\r\n',
  )
})

test('the last request of a connection has Connection: close', () => {
  expect(headOf({}, true).text).toContain('\r\nConnection: close\r\n')
})

test('an upgrade is announced in Connection and Upgrade', () => {
  const { text } = headOf({ upgrade: 'websocket' })
  expect(text).toContain('\r\nConnection: upgrade\r\nUpgrade: websocket\r\n')
  expect(text.match(/Connection:/g)).toHaveLength(1)
})

const CONTENT = { content: Buffer.from('gr\u00FCn'), trailers: [] }

const FRAMINGS: readonly {
  readonly what: string
  readonly given: Parameters<typeof upstreamRequest>[0]
  readonly framing: readonly string[]
}[] = [
  { what: 'a GET without a body', given: {}, framing: [] },
  { what: 'a POST without a body', given: { method: 'POST' }, framing: ['Content-Length: 0'] },
  {
    what: 'a complete body',
    given: { method: 'POST', body: CONTENT },
    framing: ['Content-Length: 5'],
  },
  {
    what: 'a complete body with trailer fields',
    given: { method: 'POST', body: { ...CONTENT, trailers: ['X-Sum', '1'] } },
    framing: ['Transfer-Encoding: chunked'],
  },
  {
    what: 'a streamed body of unknown length',
    given: { method: 'POST', body: requestBody() },
    framing: ['Transfer-Encoding: chunked'],
  },
  {
    what: 'a streamed body of a known length',
    given: { method: 'POST', body: requestBody(), fields: ['content-length', '7'] },
    framing: ['content-length: 7'],
  },
]

test.for(FRAMINGS)('the framing of $what is $framing', ({ given, framing }) => {
  const { text, isChunked } = headOf(given)
  const found = text
    .split('\r\n')
    .filter((line) => /^(?:content-length|transfer-encoding):/i.test(line))
  expect(found).toEqual(framing)
  expect(isChunked).toBe(framing.includes('Transfer-Encoding: chunked'))
})
