import { expect, test } from 'vitest'
import { readOriginTarget } from '../../../src/routing/connection-origin.ts'

const ORIGIN = { host: 'api.test', scheme: 'https', mode: 'intercepted' } as const

test('a target in origin-form becomes one in absolute-form, with the scheme of the connection', () => {
  const head = { target: '/a?b', hosts: ['API.test.:443'], version: '1.1' }
  expect(readOriginTarget(head, ORIGIN)).toMatchObject({
    host: 'api.test',
    scheme: 'https',
    absolute: true,
    path: '/a',
    query: '?b',
  })
})

test('a request of HTTP/1.0 without Host is for the origin of its connection', () => {
  const head = { target: '/', hosts: [], version: '1.0' }
  expect(readOriginTarget(head, ORIGIN).host).toBe('api.test')
})

test('the default port of http is not the default port of an https connection', () => {
  const head = { target: '/', hosts: ['api.test:80'], version: '1.1' }
  expect(() => readOriginTarget(head, ORIGIN)).toThrow(
    expect.objectContaining({ code: 'misdirected_request' }),
  )
})

test('two Host fields are malformed rather than misdirected', () => {
  const head = { target: '/', hosts: ['api.test', 'api.test'], version: '1.1' }
  expect(() => readOriginTarget(head, ORIGIN)).toThrow(
    expect.objectContaining({ code: 'request_invalid' }),
  )
})
