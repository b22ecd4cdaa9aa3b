import { expect, test } from 'vitest'
import { createResponseReader } from '../../../bench/load/response-reader.ts'

const RESPONSE = 'HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello'

test('a response in one chunk is complete', () => {
  expect(createResponseReader().read(Buffer.from(RESPONSE))).toBe(true)
})

test('a response that arrives byte by byte is complete with the last byte', () => {
  const reader = createResponseReader()
  const seen = RESPONSE.split('').map((letter) => reader.read(Buffer.from(letter)))
  expect(seen.indexOf(true)).toBe(RESPONSE.length - 1)
})

test('two responses on one connection are complete', () => {
  const reader = createResponseReader()
  expect([reader.read(Buffer.from(RESPONSE)), reader.read(Buffer.from(RESPONSE))]).toEqual([
    true,
    true,
  ])
})

test.for([
  { response: RESPONSE.replace('200 OK', '401 Unauthorized'), why: 'a response with status 401' },
  {
    response: RESPONSE.replace('Content-Length: 5', 'X: y'),
    why: 'a response without Content-Length',
  },
  { response: `${RESPONSE}!`, why: 'more data than Content-Length' },
])('the reader rejects $why', ({ response, why }) => {
  expect(() => createResponseReader().read(Buffer.from(response))).toThrow(why)
})
