import { expect, test } from 'vitest'
import { exchangeRaw } from '../helpers/raw-http.ts'
import { startServer } from '../helpers/servers.ts'
import { startSidecar } from '../helpers/sidecar.ts'

type Asked = { readonly answer: string; readonly reached: number }

/** What a request with these header lines gets, and how many requests the API has seen. */
async function ask(lines: readonly string[], settings = ''): Promise<Asked> {
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
  const answer = await exchangeRaw(
    sidecar.proxyUrl,
    request,
    (soFar) => soFar.endsWith('}\n') || soFar.endsWith('only'),
  )
  return { answer, reached }
}

test.for([
  { what: 'a program', lines: ['Host: localhost:PORT'] },
  { what: 'a program that calls an address', lines: ['Host: 127.0.0.1:PORT'] },
  { what: 'one that calls an IPv6 address', lines: ['Host: [::1]:PORT'] },
  { what: 'one that calls without a port', lines: ['Host: localhost'] },
  { what: 'one that calls a name of this machine', lines: ['Host: billing.localhost:PORT'] },
  { what: 'one that spells with a dot at the end', lines: ['Host: LOCALHOST.:PORT'] },
  { what: 'one that calls a host that a route names', lines: ['Host: api.partner.example'] },
  {
    what: 'a page that came through the sidecar itself',
    lines: ['Host: localhost:PORT', 'Origin: http://localhost:PORT', 'Sec-Fetch-Site: same-origin'],
  },
  {
    what: 'somebody who typed the address',
    lines: ['Host: localhost:PORT', 'Sec-Fetch-Site: none'],
  },
])('the origin check accepts a request: $what', async ({ lines }) => {
  const { answer, reached } = await ask(lines)
  expect(answer).toMatch(/^HTTP\/1.1 200 /)
  expect(reached).toBe(1)
})

test.for([
  {
    what: 'a page of another site',
    lines: ['Host: localhost:PORT', 'Sec-Fetch-Site: cross-site'],
  },
  {
    what: 'a page of another local server',
    lines: ['Host: localhost:PORT', 'Sec-Fetch-Site: same-site'],
  },
  {
    what: 'a browser in capitals',
    lines: ['Host: localhost:PORT', 'SEC-FETCH-SITE: Cross-Site'],
  },
  {
    what: 'a form of another origin',
    lines: ['Host: localhost:PORT', 'Origin: https://evil.example'],
  },
  { what: 'another port', lines: ['Host: localhost:PORT', 'Origin: http://localhost:1'] },
  { what: 'a page in a sandbox', lines: ['Host: localhost:PORT', 'Origin: null'] },
  { what: 'a name that was bound again', lines: ['Host: evil.example:PORT'] },
  { what: 'such a name without a port', lines: ['Host: evil.example'] },
  { what: 'a name that only starts right', lines: ['Host: localhost.evil.example:PORT'] },
  { what: 'an address of another machine', lines: ['Host: 10.0.0.7:PORT'] },
  {
    what: 'a name that was bound again, and says so',
    lines: ['Host: evil.example', 'Origin: http://evil.example'],
  },
])('the origin check rejects a request, and nothing reaches the API: $what', async ({ lines }) => {
  const { answer, reached } = await ask(lines)
  expect(answer).toMatch(/^HTTP\/1.1 403 /)
  expect(answer).toContain('"code":"egress_denied"')
  expect(answer).not.toMatch(/^access-control/im)
  expect(reached).toBe(0)
})

test.for([
  {
    what: 'a further host',
    settings: 'access: { hosts: [Sidecar.internal] }',
    lines: ['Host: sidecar.internal:PORT'],
  },
  {
    what: 'a page by its origin',
    settings: 'access: { origins: ["http://localhost:3000"] }',
    lines: ['Host: localhost:PORT', 'Origin: http://localhost:3000', 'Sec-Fetch-Site: same-site'],
  },
])('access settings can allow a request: $what', async ({ settings, lines }) => {
  expect((await ask(lines, settings)).answer).toMatch(/^HTTP\/1.1 200 /)
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
