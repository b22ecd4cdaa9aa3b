import { expect, test } from 'vitest'
import { bypassedHosts, nonProxyHosts } from '../../../src/cli/no-proxy.ts'

test.for([
  ['*', 'api.example.com'],
  ['api.example.com', 'api.example.com'],
  ['API.Example.com', 'api.example.com'],
  ['example.com', 'api.example.com'],
  ['.example.com', 'api.example.com'],
  ['*.example.com', 'api.example.com'],
  ['localhost, example.com', 'api.example.com'],
  ['api.example.com:443', 'api.example.com'],
  ['api.example.com:443', 'api.example.com:443'],
  ['api.example.com', 'api.example.com:8443'],
  ['example.com', '*.example.com'],
  ['a.example.com', '*.example.com'],
  ['10.0.0.0/8', '10.1.2.3'],
  ['10.1.2.3', '10.1.2.3'],
  ['fd00::/8', '[fd00::1]'],
  ['[::1]', '[::1]:8443'],
] as const)('NO_PROXY=%s excludes %s', ([noProxy, host]) => {
  expect(bypassedHosts(noProxy, [host])).toMatchObject([{ host }])
})

test.for([
  ['', 'api.example.com'],
  ['localhost,127.0.0.1,::1', 'api.example.com'],
  ['ample.com', 'api.example.com'],
  ['b.api.example.com', 'api.example.com'],
  ['api.example.com:8443', 'api.example.com:443'],
  ['example.org', '*.example.com'],
  ['10.0.0.0/8', '11.1.2.3'],
  ['10.0.0.0/99', '10.1.2.3'],
  ['.', 'api.example.com'],
  ['10.0.0.0/8', 'api.example.com'],
] as const)('NO_PROXY=%s does not exclude %s', ([noProxy, host]) => {
  expect(bypassedHosts(noProxy, [host])).toEqual([])
})

test('the entry that excludes a host is named', () => {
  expect(bypassedHosts('a.test,.example.com', ['api.example.com', 'b.test'])).toEqual([
    { host: 'api.example.com', entry: '.example.com' },
  ])
})

test.for([
  ['', ''],
  ['localhost,127.0.0.1,::1', 'localhost|*.localhost|127.0.0.1|[::1]'],
  ['.example.com', '*.example.com'],
  ['*.example.com', '*.example.com'],
  ['example.com:8443', 'example.com|*.example.com'],
  ['10.0.0.0/8,192.168.1.0/24', '10.*|192.168.1.*'],
  ['10.0.0.0/9', ''],
  ['*', '*'],
] as const)('NO_PROXY=%s becomes http.nonProxyHosts=%s', ([noProxy, expected]) => {
  expect(nonProxyHosts(noProxy)).toBe(expected)
})
