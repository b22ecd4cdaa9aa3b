import { stripVTControlCharacters } from 'node:util'
import { expect, test } from 'vitest'
import { humanLine } from '../../../src/observe/human-line.ts'

const TIME = '2026-11-23T03:00:00.007Z'

/** The line without colours, time and level. */
function textOf(entry: Readonly<Record<string, unknown>>): string {
  const line = humanLine(JSON.stringify({ level: 'info', time: TIME, ...entry }))
  return stripVTControlCharacters(line).replace(/^\[[^\]]+\] INFO: /, '')
}

test('a line begins with the local time and the level', () => {
  const line = humanLine(JSON.stringify({ level: 'warn', time: TIME, message: 'm' }))
  const local = `${new Date(TIME).toTimeString().slice(0, 8)}.007`
  expect(stripVTControlCharacters(line)).toBe(`[${local}] WARN: m\n`)
})

test.for([
  ['debug', '34'],
  ['info', '32'],
  ['warn', '33'],
  ['error', '31'],
])('the level %s has the colour %s', ([level = '', colour]) => {
  const line = humanLine(JSON.stringify({ level, time: TIME, message: 'm' }))
  expect(line).toContain(`\u001B[${colour}m${level.toUpperCase()}\u001B[39m: \u001B[36mm\u001B[39m`)
})

test('a request begins with its status, method, path and duration', () => {
  const entry = {
    message: 'request failed',
    route: 'orders',
    method: 'GET',
    path: '/orders/7',
    status: 504,
    durationMs: 60_000.12,
    upstreamMs: undefined,
    code: 'upstream_timeout',
    reason: 'Cannot get a response from "https://orders.example.com"',
  }
  expect(textOf(entry)).toBe(
    '504 GET /orders/7 60000.12 ms  route=orders  code=upstream_timeout  reason="Cannot get a response from \\"https://orders.example.com\\""\n',
  )
})

test('a line that does not concern a request begins with its message', () => {
  expect(textOf({ message: 'listening', listen: 'http://127.0.0.1:8080', count: 3 })).toBe(
    'listening  listen=http://127.0.0.1:8080  count=3\n',
  )
})

test('an ambiguous value is quoted', () => {
  expect(textOf({ message: 'm', a: 'two words', b: 'x=y', c: ['p', 'q'], d: '' })).toBe(
    'm  a="two words"  b="x=y"  c=["p","q"]  d=""\n',
  )
})

test('a stack follows on separate lines', () => {
  expect(textOf({ message: 'unexpected error, exiting', stack: 'TypeError\n    at a' })).toBe(
    'unexpected error, exiting\nTypeError\n    at a\n',
  )
})

test('characters that control a terminal are escaped', () => {
  const line = humanLine(JSON.stringify({ level: 'info', time: TIME, message: 'a\u001B[2J\u202E' }))
  expect(line).toContain(String.raw`a\u001b[2J\u202e`)
})
