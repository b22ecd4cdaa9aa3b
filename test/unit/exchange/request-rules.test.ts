import { expect, test } from 'vitest'
import { isLastHop, refuseUnsupported } from '../../../src/exchange/request-rules.ts'
import { readRequestHead, type RequestLine } from '../../../src/http/request-head.ts'

const VIA = 'token-sidecar'

function refusalOf(line: Partial<RequestLine>, fields: readonly string[] = []): () => void {
  const head = readRequestHead({ method: 'GET', target: '/', version: '1.1', ...line }, fields)
  return () => refuseUnsupported(head, VIA)
}

const viaHops = (count: number): string => Array.from({ length: count }, () => `1.1 ${VIA}`).join()

test.for<[string, Partial<RequestLine>, string[]?]>([
  ['a GET without fields', {}],
  ['a body with a length', { method: 'POST' }, ['Content-Length', '4']],
  ['a chunked body', { method: 'POST' }, ['Transfer-Encoding', 'Chunked']],
  ['an HTTP/2 body without a length', { method: 'POST', version: '2.0' }],
  ['OPTIONS with a path', { method: 'OPTIONS', target: 'http://api.example.com/orders' }],
  ['the expectation 100-continue', {}, ['Expect', '100-continue']],
  ['a Via that names the sidecar seven times', {}, ['Via', viaHops(7)]],
])('forwards %s', ([, line, fields]) => {
  expect(refusalOf(line, fields)).not.toThrow()
})

test.for<[string, string, Partial<RequestLine>, string[]?]>([
  ['an unsupported version', 'request_invalid', { version: '' }],
  ['TRACE', 'method_not_supported', { method: 'TRACE' }],
  ['OPTIONS *', 'request_invalid', { method: 'OPTIONS', target: 'http://api.example.com' }],
  ['another expectation', 'expectation_failed', {}, ['Expect', '200-ok']],
  [
    'a transfer coding in HTTP/1.0',
    'request_invalid',
    { version: '1.0' },
    ['Transfer-Encoding', 'chunked'],
  ],
  ['a coding before chunked', 'request_invalid', {}, ['Transfer-Encoding', 'gzip, chunked']],
  [
    'two transfer codings',
    'request_invalid',
    {},
    ['Transfer-Encoding', 'chunked', 'Transfer-Encoding', 'chunked'],
  ],
  ['a forwarding loop', 'request_loop', {}, ['Via', viaHops(8)]],
])('refuses %s with %s', ([, code, line, fields]) => {
  expect(refusalOf(line, fields)).toThrow(expect.objectContaining({ code }))
})

test('a Via field is not evaluated if the sidecar sends none', () => {
  const head = readRequestHead({ method: 'GET', target: '/', version: '1.1' }, ['Via', viaHops(8)])
  expect(() => refuseUnsupported(head, undefined)).not.toThrow()
})

test.for([
  { method: 'OPTIONS', maxForwards: '0', expected: true },
  { method: 'OPTIONS', maxForwards: '00', expected: true },
  { method: 'OPTIONS', maxForwards: '1', expected: false },
  { method: 'GET', maxForwards: '0', expected: false },
])('$method with Max-Forwards: $maxForwards ends here: $expected', (row) => {
  const line = { method: row.method, target: '/', version: '1.1' }
  expect(isLastHop(readRequestHead(line, ['Max-Forwards', row.maxForwards]))).toBe(row.expected)
})
