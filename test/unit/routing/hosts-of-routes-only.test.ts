import { expect, test } from 'vitest'
import { hostsOfRoutesOnly } from '../../../src/routing/hosts-of-routes-only.ts'
import type { RequestTarget } from '../../../src/routing/request-target.ts'
import { createRouteTable, type RouteMatch } from '../../../src/routing/route-table.ts'

const ROUTE: { readonly match: RouteMatch } = {
  match: { host: 'api.example', prefix: '/v1', methods: undefined },
}
const PASSED: { readonly match: RouteMatch } = {
  match: { host: undefined, prefix: '', methods: undefined },
}

const target = (host: string, path: string): RequestTarget => ({
  host,
  path,
  query: '',
  interpretations: [path],
  absolute: true,
  scheme: 'http',
})

const table = hostsOfRoutesOnly(createRouteTable([ROUTE], () => PASSED))

test('a request for the host and the path of a route matches it', () => {
  expect(table.match(target('api.example', '/v1/x'), 'GET')).toBe(ROUTE)
})

test.for([
  ['other.example', '/v1/x', 'no route is for host "other.example"'],
  ['', '/v1/x', 'it has no Host header'],
  ['api.example', '/v2', 'no route for host "api.example" matches this path and method'],
  ['api.example:9999', '/v2', 'no route for host "api.example:9999" matches'],
] as const)(
  'a redirected request for host %j and path %s does not pass without a route',
  ([host, path, why]) => {
    expect(() => table.match(target(host, path), 'GET')).toThrow(why)
  },
)
