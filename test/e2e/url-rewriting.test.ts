import { expect, test } from 'vitest'
import { startServer } from '../helpers/servers.ts'
import { startSidecar } from '../helpers/sidecar.ts'

/** An upstream that responds with these fields; `UPSTREAM` stands for its origin. */
async function startUpstream(headers: Readonly<Record<string, string | string[]>>) {
  return await startServer((req, res) => {
    const origin = `http://${req.headers.host}`
    for (const [name, value] of Object.entries(headers)) {
      res.setHeader(name, Array.isArray(value) ? value : value.replaceAll('UPSTREAM', origin))
    }
    res.statusCode = 201
    res.end(`host ${req.headers.host}`)
  })
}

function config(upstream: string, more = ''): string {
  return `
routes:
  - name: orders
    match: { path: /orders }
    upstream: ${upstream}/v2
    credential: none
    ${more}
`
}

test('URLs that point to the upstream are rewritten to point to the sidecar', async () => {
  const upstream = await startUpstream({
    Location: 'UPSTREAM/v2/7?a=1',
    'Content-Location': '/v2/7',
    Refresh: '5; url=UPSTREAM/v2/8',
  })
  const { proxyUrl } = await startSidecar(config(upstream))
  const { headers } = await fetch(`${proxyUrl}/orders`, { method: 'POST' })
  expect(headers.get('location')).toBe(`${proxyUrl}/orders/7?a=1`)
  expect(headers.get('content-location')).toBe('/orders/7')
  expect(headers.get('refresh')).toBe(`5; url=${proxyUrl}/orders/8`)
  // A client that follows the redirect reaches the upstream.
  const followed = await fetch(headers.get('location') ?? '')
  expect(followed.status).toBe(201)
})

test('URLs that point to the upstream are not rewritten if the route disables it', async () => {
  const upstream = await startUpstream({ Location: 'UPSTREAM/v2/7' })
  const { proxyUrl } = await startSidecar(config(upstream, 'rewriteLocation: false'))
  const { headers } = await fetch(`${proxyUrl}/orders`)
  expect(headers.get('location')).toBe(`${upstream}/v2/7`)
})

const COOKIES = ['a=1; Domain=127.0.0.1; Path=/v2/cart; Secure; HttpOnly', 'b=2; Path=/']

test('cookies are not rewritten by default', async () => {
  const upstream = await startUpstream({ 'Set-Cookie': COOKIES })
  const { proxyUrl } = await startSidecar(config(upstream))
  const { headers } = await fetch(`${proxyUrl}/orders`)
  expect(headers.getSetCookie()).toEqual(COOKIES)
})

test('cookies are rewritten for the sidecar if the route enables it', async () => {
  const upstream = await startUpstream({ 'Set-Cookie': COOKIES })
  const { proxyUrl } = await startSidecar(
    config(upstream, 'cookies: { domain: drop, path: map, secure: drop }'),
  )
  const { headers } = await fetch(`${proxyUrl}/orders`)
  expect(headers.getSetCookie()).toEqual(['a=1; Path=/orders/cart; HttpOnly', 'b=2; Path=/orders'])
})

test('the upstream gets its own Host, or that of the request if the route says so', async () => {
  const upstream = await startUpstream({})
  const own = await startSidecar(config(upstream))
  expect(await (await fetch(`${own.proxyUrl}/orders`)).text()).toBe(
    `host ${new URL(upstream).host}`,
  )
  const kept = await startSidecar(config(upstream, 'keepHost: true'))
  expect(await (await fetch(`${kept.proxyUrl}/orders`)).text()).toBe(
    `host ${new URL(kept.proxyUrl).host}`,
  )
})

test('the upstream gets Forwarded fields if the route enables them', async () => {
  const upstream = await startServer((req, res) => {
    const { forwarded, 'x-forwarded-for': client, 'x-forwarded-host': host } = req.headers
    res.end(JSON.stringify([forwarded, client, host]))
  })
  const enabled = await startSidecar(config(upstream, 'forwarded: both'))
  const { host } = new URL(enabled.proxyUrl)
  expect(await (await fetch(`${enabled.proxyUrl}/orders`)).json()).toEqual([
    `for=127.0.0.1;host="${host}";proto=http`,
    '127.0.0.1',
    host,
  ])
  const disabled = await startSidecar(config(upstream))
  expect(await (await fetch(`${disabled.proxyUrl}/orders`)).json()).toEqual([null, null, null])
})

test('Via can have another pseudonym, or be omitted', async () => {
  const upstream = await startServer((req, res) => void res.end(req.headers.via ?? 'none'))
  const named = await startSidecar(`via: billing\n${config(upstream)}`)
  const response = await fetch(`${named.proxyUrl}/orders`)
  expect(response.headers.get('via')).toBe('1.1 billing')
  expect(await response.text()).toBe('1.1 billing')
  const off = await startSidecar(`via: off\n${config(upstream)}`)
  const disabled = await fetch(`${off.proxyUrl}/orders`)
  expect(disabled.headers.get('via')).toBeNull()
  expect(await disabled.text()).toBe('none')
})

test('a forwarding loop is detected', async () => {
  let loopUrl = ''
  const otherProxy = await startServer((req, res) => {
    // The other part of the loop: a proxy that sends requests otherProxy to the sidecar.
    void fetch(loopUrl + (req.url ?? ''), { headers: { via: req.headers.via ?? '' } }).then(
      async (response) => res.writeHead(response.status).end(await response.text()),
    )
  })
  const sidecar = await startSidecar(config(otherProxy))
  loopUrl = `${sidecar.proxyUrl}/orders`
  const response = await fetch(`${sidecar.proxyUrl}/orders`)
  expect(response.status).toBe(502)
  expect(await response.json()).toMatchObject({ code: 'request_loop' })
})
