import { createServer } from 'node:net'
import { once } from 'node:events'
import { expect, onTestFinished, test } from 'vitest'
import { exchangeRaw } from '../helpers/raw-http.ts'
import { portOf, startServer } from '../helpers/servers.ts'
import { startSidecar } from '../helpers/sidecar.ts'
import { sendToken, startTokenEndpoint } from '../helpers/token-endpoint.ts'

const LISTEN = '[{ name: app, address: "127.0.0.1:0" }, { name: partners, address: "127.0.0.1:0" }]'

test('a route serves the listeners that it names only', async () => {
  const { sidecar, api } = await start()
  expect(await get(sidecar.urlOf('app'), '/orders/7')).toBe('/7 with a token')
  expect(await get(sidecar.urlOf('partners'), '/orders/7')).toContain('"code":"route_not_found"')
  expect(await get(sidecar.urlOf('partners'), '/public/7')).toBe('/7 without')
  expect(await get(sidecar.urlOf('app'), '/public/7')).toContain('"code":"route_not_found"')
  for (const name of ['app', 'partners']) {
    expect(await get(sidecar.urlOf(name), '/both/7')).toBe('/7 without')
  }
  expect(api.connections).toBe(1)
})

test('two listeners can have a route each for the same requests', async () => {
  const { sidecar } = await start()
  expect(await get(sidecar.urlOf('app'), '/same/7')).toBe('/app/7 without')
  expect(await get(sidecar.urlOf('partners'), '/same/7')).toBe('/partners/7 without')
})

test('a forward-proxy request to a host that a route of another listener names is denied', async () => {
  const { sidecar } = await start()
  const request =
    'GET http://named.example/x HTTP/1.1\r\nHost: named.example\r\nConnection: close\r\n\r\n'
  expect(await exchangeRaw(sidecar.urlOf('app'), request)).toContain('/x with a token')
  expect(await exchangeRaw(sidecar.urlOf('partners'), request)).toContain('"code":"egress_denied"')
})

test('the host of a route is an accepted Host on the listeners of the route only', async () => {
  const { sidecar } = await start()
  const request = 'GET /x HTTP/1.1\r\nHost: named.example\r\nConnection: close\r\n\r\n'
  expect(await exchangeRaw(sidecar.urlOf('app'), request)).toContain('/x with a token')
  expect(await exchangeRaw(sidecar.urlOf('partners'), request)).toContain(
    'is not a name of this listener',
  )
})

test('CONNECT to a host that a route names is refused by the listeners of the route only', async () => {
  const echo = createServer((socket) => socket.pipe(socket)).listen(0, '127.0.0.1')
  await once(echo, 'listening')
  onTestFinished(() => void echo.close())
  const host = `127.0.0.1:${portOf(echo)}`
  const sidecar = await startSidecar(
    `
forward: pass
routes:
  - { name: a, match: { host: "${host}" }, listeners: [app], upstream: "http://${host}", credential: none }
`,
    {},
    LISTEN,
  )
  const request = `CONNECT ${host} HTTP/1.1\r\nHost: ${host}\r\n\r\n`
  expect(await exchangeRaw(sidecar.urlOf('app'), request)).toContain('a route is for this host')
  const opened = await exchangeRaw(sidecar.urlOf('partners'), `${request}ping`, (received) =>
    received.endsWith('ping'),
  )
  expect(opened).toContain('200 Connection Established')
})

test('URLs are not rewritten to a route that only another listener serves', async () => {
  const api = await startServer((req, res) => {
    res.writeHead(302, { location: `http://${req.headers.host}/app/there` }).end()
  })
  const sidecar = await startSidecar(
    `
routes:
  - { name: both, match: { path: /both }, upstream: '${api}/both', credential: none }
  - { name: app, match: { path: /own }, listeners: [app], upstream: '${api}/app', credential: none }
`,
    {},
    LISTEN,
  )
  const location = async (name: string) => {
    const response = await fetch(`${sidecar.urlOf(name)}/both`, { redirect: 'manual' })
    return response.headers.get('location')
  }
  expect(await location('app')).toBe(`${sidecar.urlOf('app')}/own/there`)
  expect(await location('partners')).toBe(`${api}/app/there`)
})

/** The body of the response. */
async function get(origin: string, path: string): Promise<string> {
  return await (await fetch(origin + path)).text()
}

async function start() {
  const api = { origin: '', connections: 0 }
  const sockets = new Set<unknown>()
  api.origin = await startServer((req, res) => {
    sockets.add(req.socket)
    api.connections = sockets.size
    res.end(`${req.url} ${req.headers.authorization === undefined ? 'without' : 'with a token'}`)
  })
  const endpoint = await startTokenEndpoint((_request, res) => sendToken(res))
  const sidecar = await startSidecar(
    `
credentials:
  corp: { tokenEndpoint: ${endpoint.url}, clientId: a, auth: { clientSecret: { value: s } } }
defaults: { routes: { credential: none, upstream: '${api.origin}' } }
routes:
  - { name: orders, match: { path: /orders }, listeners: [app], credential: corp }
  - { name: named, match: { host: named.example }, listeners: [app], credential: corp }
  - { name: public, match: { path: /public }, listeners: [partners] }
  - { name: both, match: { path: /both } , upstream: '${api.origin}' }
  - { name: same-app, match: { path: /same }, listeners: [app], upstream: '${api.origin}/app' }
  - { name: same-partners, match: { path: /same }, listeners: [partners], upstream: '${api.origin}/partners' }
`,
    {},
    LISTEN,
  )
  return { sidecar, api }
}
