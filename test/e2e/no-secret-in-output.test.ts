import { type IncomingMessage, request, type ServerResponse } from 'node:http'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import { expect, test } from 'vitest'
import { startEgressProxy } from '../helpers/egress-proxy.ts'
import { exchangeRaw } from '../helpers/raw-http.ts'
import { startServer } from '../helpers/servers.ts'
import { startProgram } from '../helpers/sidecar.ts'
import {
  type ReceivedTokenRequest,
  sendToken,
  startTokenEndpoint,
} from '../helpers/token-endpoint.ts'

/** Used as every secret; it must not appear anywhere but on the wire. */
const CANARY = 'canary0secret'

const FAILURES: readonly ((request: ReceivedTokenRequest, res: ServerResponse) => void)[] = [
  (_request, res) => sendToken(res, { access_token: `${CANARY} with space` }),
  (_request, res) => sendToken(res, { access_token: `${CANARY}-token`, token_type: 'mac' }),
  (_request, res) => sendToken(res, { access_token: `${CANARY}-token`, token_type: undefined }),
  (_request, res) => sendToken(res, { access_token: `${CANARY}-token`, expires_in: CANARY }),
  (_request, res) => sendJson(res, 400, { error: CANARY, error_description: CANARY }),
  (_request, res) => sendJson(res, 401, { error: 'invalid_client', error_description: CANARY }),
  (_request, res) => sendJson(res, 200, { error: CANARY }),
  (received, res) => sendJson(res, 400, received.body),
  (_request, res) => void res.writeHead(200, JSON_TYPE).end(`{"access_token":"${CANARY}`),
  (_request, res) => void res.writeHead(500).end(CANARY),
  (_request, res) => void res.writeHead(302, { location: `/${CANARY}` }).end(),
  (_request, res) => void res.destroy(),
]

const JSON_TYPE = { 'content-type': 'application/json' }

function sendJson(res: ServerResponse, status: number, body: unknown): void {
  res.writeHead(status, JSON_TYPE).end(JSON.stringify(body))
}

/** An upstream that fails in the way that the path names. */
function failAsNamed(req: IncomingMessage, res: ServerResponse): void {
  switch (req.url?.split('?')[0]) {
    case '/cut': {
      res.writeHead(200, { 'content-length': 90 }).write(CANARY, () => void res.destroy())
      break
    }
    case '/reset': {
      req.socket.destroy()
      break
    }
    case '/401': {
      res.writeHead(401, { 'www-authenticate': `Bearer error="${CANARY}"` }).end(CANARY)
      break
    }
    case '/garbage': {
      req.socket.end(`HTTP/1.1 200 OK\r\n${CANARY}\r\n\r\n`)
      break
    }
    default: {
      res.end('ok')
    }
  }
}

test('no secret or token is in the log, metrics, status or responses, at any log level and after any failure', async () => {
  const encoded = Buffer.from(CANARY).toString('base64').replaceAll('=', '')
  const endpoint = await startTokenEndpoint((received, res) => {
    const which = new URLSearchParams(received.body).get('client_id') ?? ''
    const fail = FAILURES[Number(which)]
    if (fail === undefined) sendToken(res, { access_token: `${CANARY}-token`, expires_in: 1 })
    else fail(received, res)
  })
  const upstream = await startServer(failAsNamed)
  const proxy = await startEgressProxy({
    onConnect: (socket) => void socket.end(`HTTP/1.1 403 ${CANARY}\r\n\r\n${CANARY}`),
  })
  const credentials = ['good', ...FAILURES.keys()]
  const program = await startProgram(
    `
credentials:
${credentials
  .map(
    (id) => `  c-${id}:
    tokenEndpoint: ${endpoint.url}
    clientId: '${id}'
    auth: { method: client_secret_post, clientSecret: { env: SECRET } }
    parameters: { assertion: '${CANARY}' }`,
  )
  .join('\n')}
  undiscovered:
    issuer: ${endpoint.url}
    clientId: app
    auth: { clientSecret: { env: SECRET } }
routes:
${credentials.map((id) => `  - { name: r-${id}, match: { path: /${id} }, upstream: '${upstream}', credential: c-${id}, headers: { set: { X-Api-Key: '${CANARY}' } } }`).join('\n')}
  - { name: undiscovered, match: { path: /undiscovered }, upstream: '${upstream}', credential: undiscovered }
  - { name: proxied, match: { path: /proxied }, upstream: 'https://api.invalid', credential: c-good, proxy: &proxy { url: '${proxy.url}', username: me, password: { env: SECRET } } }
  - { name: plain, match: { path: /plain }, upstream: '${upstream}', credential: none, proxy: *proxy }
  - { name: down, match: { path: /down }, upstream: 'http://127.0.0.1:1', credential: c-good }
log: { level: debug }
`,
    { SECRET: CANARY },
  )

  const seen: string[] = []
  const call = async (path: string): Promise<void> => {
    const sent = request(`${program.proxyUrl}${path}?q=${CANARY}`, {
      method: 'POST',
      headers: { authorization: `Basic ${encoded}`, cookie: `session=${CANARY}` },
      agent: false,
    })
    sent.end(CANARY)
    try {
      const [response] = await once(sent, 'response')
      const body = await text(response)
      // Responses of the upstream may contain anything; those of the sidecar have Proxy-Status.
      if (response.headers['proxy-status'] !== undefined) {
        seen.push(JSON.stringify(response.headers), body)
      }
    } catch {
      // A truncated response.
    }
  }
  for (const path of ['', '/cut', '/reset', '/401', '/garbage']) await call(`/good${path}`)
  for (const index of FAILURES.keys()) await call(`/${index}`)
  for (const path of ['/undiscovered', '/proxied', '/plain', '/down', '/nowhere']) await call(path)
  // The parser rejects these, and its error contains the raw packet.
  seen.push(
    await exchangeRaw(
      program.proxyUrl,
      `GET / HTTP/1.1\r\nHost: localhost\r\nAuthorization: ${CANARY}\r\nbad header: ${CANARY}\r\n\r\n`,
    ),
    await exchangeRaw(
      program.proxyUrl,
      `POST /good HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz${CANARY}\r\n`,
    ),
  )
  for (const page of [
    '/',
    '/metrics',
    '/status',
    '/status/history',
    '/readyz',
    '/livez',
    `/none?${CANARY}`,
  ]) {
    seen.push(await (await fetch(program.adminUrl + page)).text())
  }
  expect((await program.stop()).code).toBe(0)

  // The octets before the password are three, so that its encoding is part of that of both.
  expect(proxy.headers[0]?.['proxy-authorization']).toContain(encoded)
  const everything = [program.output(), ...seen].join('\n')
  for (const code of [
    'token_invalid',
    'token_rejected',
    'token_unavailable',
    'upstream_proxy',
    'upstream_reset',
    'upstream_protocol',
    'upstream_unreachable',
    'route_not_found',
    'request_invalid',
  ]) {
    expect(everything).toContain(`"code":"${code}"`)
  }
  expect(everything).not.toContain(CANARY)
  expect(everything).not.toContain(encoded)
})
