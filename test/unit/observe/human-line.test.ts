import { expect, test } from 'vitest'
import { humanLine } from '../../../src/observe/human-line.ts'

test('a request is told in the order in which a person asks', () => {
  const entry = {
    level: 'warn',
    time: '2026-11-23T03:00:00.000Z',
    message: 'request failed',
    route: 'orders',
    method: 'GET',
    path: '/orders/7',
    status: 504,
    durationMs: 60_000.12,
    upstreamMs: undefined,
    code: 'upstream_timeout',
    reason: 'Cannot get an answer from "https://orders.example.com"',
  }
  expect(humanLine(entry)).toBe(
    '504 GET /orders/7 60000.12 ms  route=orders  code=upstream_timeout  reason="Cannot get an answer from \\"https://orders.example.com\\""',
  )
})

test('anything else begins with its message', () => {
  expect(
    humanLine({ level: 'info', message: 'listening', listen: 'http://127.0.0.1:8080', count: 3 }),
  ).toBe('listening  listen=http://127.0.0.1:8080  count=3')
})

test('what could be read as more than one thing is quoted', () => {
  expect(humanLine({ message: 'm', a: 'two words', b: 'x=y', c: ['p', 'q'], d: '' })).toBe(
    'm  a="two words"  b="x=y"  c=["p","q"]  d=""',
  )
})

test('a stack has lines of its own', () => {
  expect(humanLine({ message: 'unexpected error, ending', stack: 'TypeError\n    at a' })).toBe(
    'unexpected error, ending\nTypeError\n    at a',
  )
})
