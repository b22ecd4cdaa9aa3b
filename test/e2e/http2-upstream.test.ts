import { expect, test } from 'vitest'
import { endpointConfig, forwardConfig } from '../helpers/config-text.ts'
import { resetFrame, headersFrame } from '../helpers/http2-frames.ts'
import { startFrameUpstream } from '../helpers/frame-upstream.ts'
import { startHttp2Server } from '../helpers/http2-upstream.ts'
import { exchangeRaw } from '../helpers/raw-http.ts'
import { startSidecar } from '../helpers/sidecar.ts'
import { CLIENT_SECRET } from '../helpers/servers.ts'
import { sendToken, startTokenEndpoint } from '../helpers/token-endpoint.ts'

const HTTP2 = 'http2: always'

test('an HTTP/1.1 request is forwarded to an HTTP/2 upstream with the token, and its response to the client', async () => {
  let received: readonly string[] = []
  const { origin } = await startHttp2Server((stream, _headers, raw) => {
    received = raw
    stream.respond({ ':status': 201, 'set-cookie': ['a=1', 'b=2'], 'content-length': '5' })
    stream.end('hello')
  })
  const { url: endpoint } = await startTokenEndpoint((_request, res) =>
    sendToken(res, { access_token: 'the-token' }),
  )
  const { proxyUrl } = await startSidecar(
    endpointConfig({ endpoint, upstream: origin, route: HTTP2 }),
  )
  const response = await fetch(`${proxyUrl}/orders/7?a=b`, { headers: { 'X-Own': 'yes' } })
  expect(response.status).toBe(201)
  expect(response.headers.getSetCookie()).toEqual(['a=1', 'b=2'])
  expect(await response.text()).toBe('hello')
  expect(received.slice(0, 8).join(' ')).toBe(
    `:method GET :scheme http :authority ${new URL(origin).host} :path /7?a=b`,
  )
  expect(received).toEqual(expect.arrayContaining(['authorization', 'Bearer the-token', 'x-own']))
  expect(received.join('\n')).not.toContain(CLIENT_SECRET)
})

test('a trailer section of an HTTP/2 upstream is forwarded in chunked coding', async () => {
  const { origin } = await startHttp2Server((stream) => {
    stream.respond({ ':status': 200, trailer: 'x-sum' }, { waitForTrailers: true })
    stream.on('wantTrailers', () => stream.sendTrailers({ 'x-sum': '7' }))
    stream.end('hello')
  })
  const { proxyUrl } = await startSidecar(forwardConfig(origin, HTTP2))
  const response = await exchangeRaw(
    proxyUrl,
    'GET / HTTP/1.1\r\nHost: localhost\r\nTE: trailers\r\nConnection: close, TE\r\n\r\n',
  )
  expect(response).toMatch(/^HTTP\/1\.1 200 OK\r\n/)
  expect(response).toMatch(/hello\r\n0\r\nx-sum: 7\r\n\r\n$/i)
})

test('a request is replayed once, with a new token and the same body, after a 401 over HTTP/2', async () => {
  const seen: string[] = []
  const { origin } = await startHttp2Server((stream, { authorization }) => {
    let body = ''
    stream.on('data', (chunk: Buffer) => void (body += chunk.toString()))
    stream.on('end', () => {
      seen.push(`${String(authorization)} ${body}`)
      stream.respond(
        { ':status': authorization === 'Bearer token-1' ? 401 : 204 },
        { endStream: true },
      )
    })
  })
  let issued = 0
  const { url: endpoint } = await startTokenEndpoint((_request, res) => {
    issued += 1
    sendToken(res, { access_token: `token-${issued}` })
  })
  const { proxyUrl } = await startSidecar(
    endpointConfig({ endpoint, upstream: origin, route: HTTP2 }),
  )
  const response = await fetch(`${proxyUrl}/orders`, { method: 'POST', body: 'once' })
  expect(response.status).toBe(204)
  expect(seen).toEqual(['Bearer token-1 once', 'Bearer token-2 once'])
})

test('a POST on a stream reset with REFUSED_STREAM is retried', async () => {
  let requests = 0
  const { origin } = await startFrameUpstream((id, { send }) => {
    requests += 1
    send(requests === 1 ? resetFrame(id, 7) : headersFrame(id, [':status', '204']))
  })
  const { proxyUrl } = await startSidecar(forwardConfig(origin, HTTP2))
  const response = await fetch(proxyUrl, { method: 'POST' })
  expect(response.status).toBe(204)
  expect(requests).toBe(2)
})

test('sessions, streams, resets and the protocol of responses are counted', async () => {
  const { origin } = await startFrameUpstream((id, { send }) =>
    send(id === 1 ? headersFrame(id, [':status', '204']) : resetFrame(id, 2)),
  )
  const { proxyUrl, adminUrl } = await startSidecar(forwardConfig(origin, HTTP2))
  expect((await fetch(proxyUrl)).status).toBe(204)
  const failed = await fetch(proxyUrl)
  expect(failed.status).toBe(502)
  expect(await failed.text()).toContain('the stream was reset (INTERNAL_ERROR)')
  const metrics = await (await fetch(`${adminUrl}/metrics`)).text()
  for (const line of [
    'token_sidecar_http2_sessions_open{side="upstream"} 1',
    'token_sidecar_http2_resets_total{side="upstream",direction="received",reason="INTERNAL_ERROR"} 1',
    'token_sidecar_upstream_responses_total{route="all",protocol="h2"} 1',
  ]) {
    expect(metrics).toContain(line)
  }
})
