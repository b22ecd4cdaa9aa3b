import { once } from 'node:events'
import { createServer } from 'node:http'
import httpProxy from 'http-proxy'
import { expect, onTestFinished, test } from 'vitest'
import { portOf } from '../helpers/servers.ts'
import { SMUGGLING } from '../wire/cases/smuggling.ts'
import { faultsOf, type StartWireProxy } from '../wire/run-wire-case.ts'

/** A proxy with known vulnerabilities that adds a token to each request. */
const startHttpProxy: StartWireProxy = async (upstreamOrigin) => {
  const proxy = httpProxy.createProxyServer({
    target: upstreamOrigin,
    headers: { authorization: 'Bearer TOKEN' },
  })
  proxy.on('error', (_error, _req, res) => void res.destroy())
  const server = createServer((req, res) => proxy.web(req, res))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(async () => {
    const closed = once(server, 'close')
    server.close()
    server.closeAllConnections()
    await closed
  })
  return { url: `http://127.0.0.1:${portOf(server)}`, authorization: 'Bearer TOKEN' }
}

// Shows that the table detects vulnerabilities.
test.for([
  // http-party/node-http-proxy#1720 and #1721.
  {
    family: 'Unexpected bodies',
    finds: /^upstream: 2 messages instead of 1: .*GET \/orders\/prize HTTP/,
    names: [
      'DELETE with the smuggled request in a chunk',
      'OPTIONS with the smuggled request in a chunk',
    ],
  },
  {
    family: 'Chunked bodies in HTTP/1.0',
    finds: /^the request was not rejected$/,
    names: ['A chunked body', 'A chunked body with keep-alive'],
  },
  {
    family: 'Invalid hosts',
    finds: /^the request was not rejected$/,
    names: [
      String.raw`Host: localhost\r\nHost: evil`,
      'Host: evil@localhost',
      'Host: localhost/evil',
      'The target http://evil/orders',
    ],
  },
])('http-proxy is vulnerable to: $family', async ({ family, finds, names }) => {
  const cases = SMUGGLING.find((known) => known.family === family)?.cases ?? []
  const tried = cases.filter(({ name }) => names.includes(name))
  expect(tried.map(({ name }) => name)).toEqual(names)
  for (const wireCase of tried) {
    expect(await faultsOf(wireCase, startHttpProxy)).toContainEqual(expect.stringMatching(finds))
  }
})

test('http-proxy passes the smuggling families CL.TE, CL.CL, chunk sizes and bare CR or LF', async () => {
  const passing = SMUGGLING.filter(({ family }) =>
    /^CL|^Chunk sizes|^Invalid chunk sizes|^Bare CR/.test(family),
  )
  expect(passing.length).toBeGreaterThan(4)
  for (const wireCase of passing.flatMap(({ cases }) => cases)) {
    expect(await faultsOf(wireCase, startHttpProxy)).toEqual([])
  }
})
