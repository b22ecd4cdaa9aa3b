import { once } from 'node:events'
import { createServer } from 'node:http'
import httpProxy from 'http-proxy'
import { expect, onTestFinished, test } from 'vitest'
import { portOf } from '../helpers/servers.ts'
import { SMUGGLING } from '../wire/cases/smuggling.ts'
import { faultsOf, type StartWireProxy } from '../wire/run-wire-case.ts'

/** A proxy that is known to have such faults, with a token that it adds to each request. */
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

// That the sidecar passes the table means something only if there is somebody who does not.
test.for([
  // http-party/node-http-proxy#1720 and #1721.
  {
    family: 'Bodies where none is expected',
    finds: /^arrived: 2 messages instead of 1: .*GET \/orders\/prize HTTP/,
    names: ['DELETE with the prize in a chunk', 'OPTIONS with the prize in a chunk'],
  },
  {
    family: 'Chunks in HTTP/1.0',
    finds: /^it was not refused$/,
    names: ['Alone', 'On a connection that is to stay'],
  },
  {
    family: 'Hosts',
    finds: /^it was not refused$/,
    names: [
      String.raw`Host: localhost\r\nHost: evil`,
      'Host: evil@localhost',
      'Host: localhost/evil',
      'A target of http://evil/orders',
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

test('http-proxy passes the harmless rows of the table', async () => {
  const held = SMUGGLING.filter(({ family }) => /^CL|^Sizes|^Line feeds/.test(family))
  expect(held.length).toBeGreaterThan(4)
  for (const wireCase of held.flatMap(({ cases }) => cases)) {
    expect(await faultsOf(wireCase, startHttpProxy)).toEqual([])
  }
})
