import { expect, test } from 'vitest'
import { endpointConfig, forwardConfig } from '../helpers/config-text.ts'
import {
  exchangeRaw,
  isWholeRequest,
  type RawUpstream,
  startRawUpstream,
} from '../helpers/raw-http.ts'
import { startSidecar } from '../helpers/sidecar.ts'
import { sendToken, startTokenEndpoint } from '../helpers/token-endpoint.ts'

async function startOkUpstream(): Promise<RawUpstream> {
  return await startRawUpstream((received, socket) => {
    if (isWholeRequest(received))
      socket.end('HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok')
  })
}

/** The bytes that the upstream receives for `request` through a route with these settings. */
async function requestAtUpstream(request: string, route = ''): Promise<string> {
  const upstream = await startOkUpstream()
  const endpoint = await startTokenEndpoint((_request, res) =>
    sendToken(res, { access_token: 'TOKEN' }),
  )
  const sidecar = await startSidecar(
    endpointConfig({ endpoint: endpoint.url, upstream: `${upstream.origin}/v2`, route }),
  )
  await exchangeRaw(sidecar.proxyUrl, request, (response) => response.endsWith('ok'))
  expect(upstream.connections).toHaveLength(1)
  return (upstream.connections[0]?.received ?? '').replaceAll(
    upstream.origin.slice('http://'.length),
    'UPSTREAM',
  )
}

const lines = (...parts: readonly string[]): string => parts.join('\r\n')

test('a request is forwarded unchanged, except for Host, Via, Authorization and Connection', async () => {
  expect(
    await requestAtUpstream(
      lines(
        'GET /orders/7?a=1&a=%20 HTTP/1.1',
        'Host: localhost',
        'X-UPPER: 1',
        'x-lower: 2',
        'Accept: text/html',
        'X-Twice: one',
        'Cookie: a=1',
        'x-twice: two',
        'Cookie: b=2',
        'X-Empty:',
        'X-Latin: caf\xe9',
        '',
        '',
      ),
    ),
  ).toBe(
    lines(
      'GET /v2/7?a=1&a=%20 HTTP/1.1',
      'Host: UPSTREAM',
      'X-UPPER: 1',
      'x-lower: 2',
      'Accept: text/html',
      'X-Twice: one',
      'Cookie: a=1',
      'x-twice: two',
      'Cookie: b=2',
      'X-Empty: ',
      'X-Latin: caf\xe9',
      'Via: 1.1 token-sidecar',
      'Authorization: Bearer TOKEN',
      'Connection: keep-alive',
      '',
      '',
    ),
  )
})

test('all Authorization fields of the application are replaced', async () => {
  const arrived = await requestAtUpstream(
    lines(
      'GET /orders HTTP/1.1',
      'Host: localhost',
      'Authorization: Basic one',
      'authorization: Bearer two',
      '',
      '',
    ),
  )
  expect(arrived.match(/^authorization: .*$/gim)).toEqual(['Authorization: Bearer TOKEN'])
})

test('existingAuthorization: keep forwards the Authorization of the application', async () => {
  const request = lines(
    'GET /orders HTTP/1.1',
    'Host: localhost',
    'Authorization: Basic own',
    '',
    '',
  )
  const arrived = await requestAtUpstream(request, 'existingAuthorization: keep')
  expect(arrived.match(/^authorization: .*$/gim)).toEqual(['Authorization: Basic own'])
  const without = await requestAtUpstream(
    lines('GET /orders HTTP/1.1', 'Host: localhost', '', ''),
    'existingAuthorization: keep',
  )
  expect(without.match(/^authorization: .*$/gim)).toEqual(['Authorization: Bearer TOKEN'])
})

test('existingAuthorization: reject rejects a request with Authorization', async () => {
  const upstream = await startOkUpstream()
  const endpoint = await startTokenEndpoint((_request, res) => sendToken(res))
  const sidecar = await startSidecar(
    endpointConfig({
      endpoint: endpoint.url,
      upstream: upstream.origin,
      route: 'existingAuthorization: reject',
    }),
  )
  const response = await fetch(`${sidecar.proxyUrl}/orders`, {
    headers: { authorization: 'Basic own' },
  })
  expect(response.status).toBe(400)
  expect(await response.json()).toMatchObject({ code: 'request_invalid' })
  expect(upstream.connections).toHaveLength(0)
})

test('the token is injected into the field of inject.header', async () => {
  const arrived = await requestAtUpstream(
    lines(
      'GET /orders HTTP/1.1',
      'Host: localhost',
      'X-Api-Token: own',
      'Authorization: Basic own',
      '',
      '',
    ),
    "inject: { header: X-API-Token, prefix: '' }",
  )
  expect(arrived.match(/^x-api-token: .*$/gim)).toEqual(['X-API-Token: TOKEN'])
  expect(arrived).toContain('Authorization: Basic own')
})

test('headers.set and headers.remove set and remove fields', async () => {
  const arrived = await requestAtUpstream(
    lines(
      'GET /orders HTTP/1.1',
      'Host: localhost',
      'X-Tenant: mine',
      'X-Debug: 1',
      'X-Kept: 1',
      '',
      '',
    ),
    'headers: { set: { X-Tenant: blue }, remove: [x-debug] }',
  )
  expect(arrived.match(/^x-(?:tenant|debug|kept): .*$/gim)).toEqual(['X-Kept: 1', 'X-Tenant: blue'])
})

test('a route without a credential forwards the Authorization of the application', async () => {
  const upstream = await startOkUpstream()
  const sidecar = await startSidecar(forwardConfig(upstream.origin))
  await exchangeRaw(
    sidecar.proxyUrl,
    lines('GET /x HTTP/1.1', 'Host: localhost', 'Authorization: Basic own', '', ''),
    (response) => response.endsWith('ok'),
  )
  expect(upstream.connections[0]?.received.match(/^authorization: .*$/gim)).toEqual([
    'Authorization: Basic own',
  ])
})

test.for([
  { target: '/orders', sent: '/v2' },
  { target: '/orders?', sent: '/v2?' },
  { target: '/orders/', sent: '/v2/' },
  { target: '/orders//7', sent: '/v2//7' },
  { target: '/orders/a%2Fb%20c', sent: '/v2/a%2Fb%20c' },
  { target: '/orders/%7efile%2etxt', sent: '/v2/%7efile%2etxt' },
  { target: '/%6frders/7', sent: '/v2/7' },
  { target: '/orders;v=1/7', sent: undefined },
  { target: '/orders/7;v=1', sent: '/v2/7;v=1' },
  { target: '/orders/.hidden', sent: '/v2/.hidden' },
  { target: '/orders/...', sent: '/v2/...' },
  { target: "/orders/!$&'()*+,=:@", sent: "/v2/!$&'()*+,=:@" },
  { target: '/orders/7?q=a/../b&c=%2e%2e', sent: '/v2/7?q=a/../b&c=%2e%2e' },
  { target: '/orders?x=//y\\z', sent: '/v2?x=//y\\z' },
  { target: '/orders-old', sent: undefined },
  { target: '/Orders', sent: undefined },
])('the target $target is sent to the upstream as $sent', async ({ target, sent }) => {
  const upstream = await startOkUpstream()
  const sidecar = await startSidecar(`
routes:
  - { name: orders, match: { path: /orders }, upstream: '${upstream.origin}/v2', credential: none }
`)
  await exchangeRaw(
    sidecar.proxyUrl,
    lines(`GET ${target} HTTP/1.1`, 'Host: localhost', '', ''),
    (response) => response.endsWith('ok') || response.endsWith('}\n'),
  )
  expect(upstream.connections[0]?.received.split(' ')[1]).toBe(sent)
})

test('keepPath appends the matched path to that of the upstream', async () => {
  const arrived = await requestAtUpstream(
    lines('GET /orders/7 HTTP/1.1', 'Host: localhost', '', ''),
    'keepPath: true',
  )
  expect(arrived).toMatch(/^GET \/v2\/orders\/7 HTTP/)
})
