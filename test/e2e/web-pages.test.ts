import { expect, test } from 'vitest'
import { exchangeRaw } from '../helpers/raw-http.ts'
import { startServer } from '../helpers/servers.ts'
import { startSidecar } from '../helpers/sidecar.ts'

type Outcome = { readonly response: string; readonly reached: number }

/** The response to a request with these field lines, and the number of requests that the API received. */
async function send(lines: readonly string[], settings = ''): Promise<Outcome> {
  let reached = 0
  const upstream = await startServer((_req, res) => {
    reached += 1
    res.end('for programs only')
  })
  const sidecar = await startSidecar(`${settings}
routes:
  - { name: all, match: { path: / }, upstream: '${upstream}', credential: none }
  - { name: named, match: { host: api.partner.example }, upstream: '${upstream}', credential: none }
`)
  const { port } = new URL(sidecar.proxyUrl)
  const request = ['GET / HTTP/1.1', ...lines, '', ''].join('\r\n').replaceAll('PORT', port)
  const response = await exchangeRaw(
    sidecar.proxyUrl,
    request,
    (soFar) => soFar.endsWith('}\n') || soFar.endsWith('only'),
  )
  return { response, reached }
}

test.for([
  { what: 'a program', lines: ['Host: localhost:PORT'] },
  { what: 'a program that calls an address', lines: ['Host: 127.0.0.1:PORT'] },
  { what: 'a program that calls an IPv6 address', lines: ['Host: [::1]:PORT'] },
  { what: 'a program that omits the port', lines: ['Host: localhost'] },
  { what: 'a program that calls *.localhost', lines: ['Host: billing.localhost:PORT'] },
  { what: 'a program that adds a trailing dot', lines: ['Host: LOCALHOST.:PORT'] },
  { what: 'a program that calls the host of a route', lines: ['Host: api.partner.example'] },
  {
    what: 'a same-origin page',
    lines: ['Host: localhost:PORT', 'Origin: http://localhost:PORT', 'Sec-Fetch-Site: same-origin'],
  },
  {
    what: 'a navigation by the user',
    lines: ['Host: localhost:PORT', 'Sec-Fetch-Site: none'],
  },
])('the origin check accepts a request: $what', async ({ lines }) => {
  const { response, reached } = await send(lines)
  expect(response).toMatch(/^HTTP\/1.1 200 /)
  expect(reached).toBe(1)
})

test.for([
  {
    what: 'a cross-site page',
    lines: ['Host: localhost:PORT', 'Sec-Fetch-Site: cross-site'],
  },
  {
    what: 'a same-site page of another origin',
    lines: ['Host: localhost:PORT', 'Sec-Fetch-Site: same-site'],
  },
  {
    what: 'a cross-site page, in capitals',
    lines: ['Host: localhost:PORT', 'SEC-FETCH-SITE: Cross-Site'],
  },
  {
    what: 'a form of another origin',
    lines: ['Host: localhost:PORT', 'Origin: https://evil.example'],
  },
  { what: 'a page of another port', lines: ['Host: localhost:PORT', 'Origin: http://localhost:1'] },
  { what: 'a page with an opaque origin', lines: ['Host: localhost:PORT', 'Origin: null'] },
  { what: 'a host name after DNS rebinding', lines: ['Host: evil.example:PORT'] },
  { what: 'a foreign host name without a port', lines: ['Host: evil.example'] },
  {
    what: 'a host name that only starts with localhost',
    lines: ['Host: localhost.evil.example:PORT'],
  },
  { what: 'an address of another host', lines: ['Host: 10.0.0.7:PORT'] },
  {
    what: 'a host name after DNS rebinding, with its Origin',
    lines: ['Host: evil.example', 'Origin: http://evil.example'],
  },
])('the origin check rejects a request, and nothing reaches the API: $what', async ({ lines }) => {
  const { response, reached } = await send(lines)
  expect(response).toMatch(/^HTTP\/1.1 403 /)
  expect(response).toContain('"code":"egress_denied"')
  expect(response).not.toMatch(/^access-control/im)
  expect(reached).toBe(0)
})

test.for([
  {
    what: 'a host of access.hosts',
    settings: 'access: { hosts: [Sidecar.internal] }',
    lines: ['Host: sidecar.internal:PORT'],
  },
  {
    what: 'an origin of access.origins',
    settings: 'access: { origins: ["http://localhost:3000"] }',
    lines: ['Host: localhost:PORT', 'Origin: http://localhost:3000', 'Sec-Fetch-Site: same-site'],
  },
])('access settings can allow a request: $what', async ({ settings, lines }) => {
  expect((await send(lines, settings)).response).toMatch(/^HTTP\/1.1 200 /)
})

test('a listener on a non-loopback address accepts any Host, but no foreign Origin', async () => {
  const upstream = await startServer((_req, res) => void res.end('for programs only'))
  const sidecar = await startSidecar(
    `routes: [{ name: all, match: { path: / }, upstream: '${upstream}', credential: none }]`,
    {},
    '0.0.0.0:0',
  )
  const local = sidecar.proxyUrl.replace('0.0.0.0', '127.0.0.1')
  const statusOf = async (...lines: string[]): Promise<string> => {
    const request = ['GET / HTTP/1.1', ...lines, '', ''].join('\r\n')
    return await exchangeRaw(local, request, (soFar) => soFar.includes('\r\n\r\n'))
  }
  expect(await statusOf('Host: sidecar:8080')).toMatch(/^HTTP\/1.1 200 /)
  expect(await statusOf('Host: sidecar:8080', 'Origin: http://evil.example')).toMatch(
    /^HTTP\/1.1 403 /,
  )
})
