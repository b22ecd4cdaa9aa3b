import { createHash, randomBytes } from 'node:crypto'
import type { IncomingHttpHeaders, IncomingMessage, RequestListener } from 'node:http'
import { createServer } from 'node:https'
import { join } from 'node:path'
import { buffer } from 'node:stream/consumers'
import { describe, expect, test } from 'vitest'
import { createAuthority } from '../helpers/certificates.ts'
import { startRun, writeConfig } from '../helpers/cli.ts'
import { HTTP_CLIENTS, type Outcome, run } from '../helpers/http-clients.ts'
import { fileWith } from '../helpers/credential-call.ts'
import { portOf, startListening, startServer } from '../helpers/servers.ts'
import { startSidecar, temporaryDirectory } from '../helpers/sidecar.ts'
import { sendToken, startTokenEndpoint } from '../helpers/token-endpoint.ts'
import { findPrograms, MAY_SKIP } from '../helpers/tools.ts'

const TOKEN = 'token-canary-4711'
const PARTNER = 'api.partner.example'

type Received = {
  readonly method: string | undefined
  readonly url: string | undefined
  readonly headers: IncomingHttpHeaders
  readonly body: Buffer
}

/** An API whose response describes the request, without its token. */
function createApi() {
  const requests: Received[] = []
  const listener: RequestListener = (req, res) => {
    void receive(req).then((received) => {
      requests.push(received)
      if (req.url === '/orders/old') res.writeHead(302, { location: '/orders/new' }).end()
      else {
        const body = responseTo(req.method, req.url, received.body)
        res.writeHead(200, { 'content-length': body.length }).end(body)
      }
    })
  }
  return { requests, listener }
}

async function receive(req: IncomingMessage): Promise<Received> {
  const { method, url, headers } = req
  return { method, url, headers, body: await buffer(req) }
}

function responseTo(method = '', url = '', body: string | Buffer = ''): string {
  return `${method} ${url} ${createHash('sha256').update(body).digest('hex')}`
}

/** A server at https://localhost, and a file with its CA certificate. */
async function startTlsServer(listener: RequestListener) {
  const authority = await createAuthority()
  const { certificate, key } = await authority.issue('server', ['localhost'])
  const server = createServer({ cert: certificate, key }, listener)
  await startListening(server)
  const ca = await fileWith(authority.certificate)
  return { origin: `https://localhost:${portOf(server)}`, ca }
}

type Route = { readonly match: string; readonly upstream: string; readonly ca?: string }

async function configFor({ match, upstream, ca }: Route): Promise<string> {
  const endpoint = await startTokenEndpoint((_request, res) =>
    sendToken(res, { access_token: TOKEN }),
  )
  return `
credentials:
  corp: { tokenEndpoint: '${endpoint.url}', clientId: app, auth: { method: none } }
routes:
  - name: orders
    match: ${match}
    upstream: ${upstream}
    credential: corp
    ${ca === undefined ? '' : `tls: { ca: { file: '${ca}' } }`}
`
}

/** A sidecar in front of such an API, and how clients reach it. */
type Deployment = {
  readonly requests: readonly Received[]
  readonly base: string
  readonly proxyPort: string | undefined
}

const MODES: Readonly<Record<string, () => Promise<Deployment>>> = {
  async 'by its base URL'() {
    const { requests, listener } = createApi()
    const upstream = `${await startServer(listener)}/orders`
    const sidecar = await startSidecar(await configFor({ match: '{ path: /orders }', upstream }))
    return { requests, base: sidecar.proxyUrl, proxyPort: undefined }
  },
  async 'as a proxy, to an http upstream'() {
    const { requests, listener } = createApi()
    const upstream = await startServer(listener)
    return { requests, ...(await startForPartner({ upstream })) }
  },
  async 'as a proxy, to an https upstream'() {
    const { requests, listener } = createApi()
    const { origin, ca } = await startTlsServer(listener)
    return { requests, ...(await startForPartner({ upstream: origin, ca })) }
  },
}

/** A sidecar as HTTP proxy for a host that does not resolve. */
async function startForPartner(to: Omit<Route, 'match'>, settings = '') {
  const config = await configFor({ ...to, match: `{ host: ${PARTNER} }` })
  const sidecar = await startSidecar(config + settings)
  return { base: `http://${PARTNER}`, proxyPort: new URL(sidecar.proxyUrl).port }
}

/** The client succeeds, and its output does not contain the token. */
function expectResponse(outcome: Outcome, body: string): void {
  expect(outcome).toMatchObject({ code: 0, out: body })
  expect(outcome.out + outcome.err).not.toContain(TOKEN)
}

function summary(requests: readonly Received[]): string[] {
  return requests.map(({ method, url, headers }) => `${method} ${url} ${headers.authorization}`)
}

describe.for(HTTP_CLIENTS)('$name', ({ call, isInstalled, isOptional }) => {
  describe.for(Object.entries(MODES))('%s', ([, start]) => {
    const maySkip = !isInstalled && (isOptional || MAY_SKIP)

    test.skipIf(maySkip)('gets a response (skipped if the client is not installed)', async () => {
      const { base, proxyPort, requests } = await start()
      const outcome = await call({ url: `${base}/orders/7?a=%20b&a=2`, proxyPort })
      expectResponse(outcome, responseTo('GET', '/orders/7?a=%20b&a=2'))
      expect(summary(requests)).toEqual([`GET /orders/7?a=%20b&a=2 Bearer ${TOKEN}`])
    })

    test.skipIf(maySkip)('sends a body (skipped if the client is not installed)', async () => {
      const { base, proxyPort, requests } = await start()
      const body = '{"müde": "ja"}\r\n'.repeat(10_000)
      const bodyFile = await fileWith(body)
      const outcome = await call({ url: `${base}/orders`, proxyPort, bodyFile })
      expectResponse(outcome, responseTo('POST', '/orders', body))
      expect(summary(requests)).toEqual([`POST /orders Bearer ${TOKEN}`])
    })

    test.skipIf(maySkip)(
      'follows a redirect (skipped if the client is not installed)',
      async () => {
        const { base, proxyPort, requests } = await start()
        const outcome = await call({ url: `${base}/orders/old`, proxyPort })
        expectResponse(outcome, responseTo('GET', '/orders/new'))
        expect(summary(requests)).toEqual([
          `GET /orders/old Bearer ${TOKEN}`,
          `GET /orders/new Bearer ${TOKEN}`,
        ])
      },
    )
  })
})

const WITHOUT_CURL = findPrograms('curl').length === 0 && MAY_SKIP

/** curl with verbose output on standard error. */
async function curl(args: readonly string[], input?: Buffer): Promise<Outcome> {
  return await run('curl', ['--silent', '--verbose', ...args], input && { input })
}

describe.for(Object.entries(MODES))('curl %s', ([, start]) => {
  test.skipIf(WITHOUT_CURL)('sends a large body after a 100 (skipped without curl)', async () => {
    const { base, proxyPort, requests } = await start()
    const body = randomBytes(4 * 1024 ** 2)
    const outcome = await curl([
      ...proxyOption(proxyPort),
      '--data-binary',
      `@${await fileWith(body)}`,
      // Longer than the time limit of the test, so that it fails without a 100.
      '--expect100-timeout',
      '600',
      `${base}/orders`,
    ])
    expectResponse(outcome, responseTo('POST', '/orders', body))
    expect(outcome.err).toContain('> Expect: 100-continue')
    expect(outcome.err).toContain('< HTTP/1.1 100 Continue')
    expect(summary(requests)).toEqual([`POST /orders Bearer ${TOKEN}`])
  })

  test.skipIf(WITHOUT_CURL)('uploads a chunked body (skipped without curl)', async () => {
    const { base, proxyPort, requests } = await start()
    const body = randomBytes(1024 ** 2)
    const url = `${base}/orders/7`
    const outcome = await curl([...proxyOption(proxyPort), '--upload-file', '-', url], body)
    expectResponse(outcome, responseTo('PUT', '/orders/7', body))
    expect(summary(requests)).toEqual([`PUT /orders/7 Bearer ${TOKEN}`])
    expect(requests[0]?.headers).toMatchObject({ 'transfer-encoding': 'chunked' })
    expect(requests[0]?.headers).not.toHaveProperty('content-length')
  })

  test.skipIf(WITHOUT_CURL)('sends a HEAD request (skipped without curl)', async () => {
    const { base, proxyPort, requests } = await start()
    const outcome = await curl([...proxyOption(proxyPort), '--head', `${base}/orders/7`])
    const length = responseTo('HEAD', '/orders/7').length
    expect(outcome.code).toBe(0)
    expect(outcome.out).toMatch(/^HTTP\/1\.1 200 OK\r\n/)
    expect(outcome.out.toLowerCase()).toContain(`\r\ncontent-length: ${length}\r\n`)
    expect(outcome.out + outcome.err).not.toContain(TOKEN)
    expect(summary(requests)).toEqual([`HEAD /orders/7 Bearer ${TOKEN}`])
  })
})

function proxyOption(port: string | undefined): string[] {
  return port === undefined ? [] : ['--proxy', `http://127.0.0.1:${port}`]
}

test.skipIf(WITHOUT_CURL)(
  'curl reaches a sidecar on a Unix socket (skipped without curl)',
  async () => {
    const { requests, listener } = createApi()
    const upstream = `${await startServer(listener)}/orders`
    const socket = join(await temporaryDirectory(), 'proxy.sock')
    const config = await configFor({ match: '{ path: /orders }', upstream })
    await startRun(await writeConfig(`listen: unix:${socket}\nadmin: 127.0.0.1:0\n${config}`))
    const outcome = await curl(['--unix-socket', socket, 'http://localhost/orders/7'])
    expectResponse(outcome, responseTo('GET', '/orders/7'))
    expect(summary(requests)).toEqual([`GET /orders/7 Bearer ${TOKEN}`])
  },
)

/** curl prints the status of the response and that of CONNECT. */
const STATUS = ['--output', '/dev/null', '--write-out', '%{http_code} %{http_connect}']

test.skipIf(WITHOUT_CURL)(
  'curl gets no CONNECT tunnel to the host of a route (skipped without curl)',
  async () => {
    const { listener, requests } = createApi()
    const upstream = await startServer(listener)
    for (const settings of ['', 'forward: deny\n', 'forward: pass\n']) {
      const { proxyPort } = await startForPartner({ upstream }, settings)
      const { out } = await curl([
        ...STATUS,
        ...proxyOption(proxyPort),
        `https://${PARTNER}/orders`,
      ])
      expect(out).toBe('000 403')
    }
    expect(requests).toEqual([])
  },
)

test.skipIf(WITHOUT_CURL)(
  'curl gets a CONNECT tunnel to another host only with "forward: pass" (skipped without curl)',
  async () => {
    const { listener, requests } = createApi()
    const { origin, ca } = await startTlsServer(listener)
    const upstream = await startServer(() => {})
    const { proxyPort: denyPort } = await startForPartner({ upstream })
    const { proxyPort: passPort } = await startForPartner({ upstream }, 'forward: pass\n')
    const fetchThrough = async (port: string, options: readonly string[]): Promise<Outcome> =>
      await curl([...options, ...proxyOption(port), '--cacert', ca, `${origin}/orders/7`])

    expect(await fetchThrough(denyPort, STATUS)).toMatchObject({ out: '000 403' })
    expect(requests).toEqual([])
    expectResponse(await fetchThrough(passPort, []), responseTo('GET', '/orders/7'))
    expect(summary(requests)).toEqual(['GET /orders/7 undefined'])
  },
)

test.skipIf(WITHOUT_CURL)(
  'curl reaches an http host without a route only with "forward: pass", without a token (skipped without curl)',
  async () => {
    const { listener, requests } = createApi()
    const other = await startServer(listener)
    const upstream = await startServer(() => {})
    const { proxyPort: denyPort } = await startForPartner({ upstream })
    const { proxyPort: passPort } = await startForPartner({ upstream }, 'forward: pass\n')
    const fetchThrough = async (port: string): Promise<Outcome> =>
      await curl([...proxyOption(port), `${other}/orders/7`])

    expect(JSON.parse((await fetchThrough(denyPort)).out)).toMatchObject({ code: 'egress_denied' })
    expect(requests).toEqual([])
    expectResponse(await fetchThrough(passPort), responseTo('GET', '/orders/7'))
    expect(summary(requests)).toEqual(['GET /orders/7 undefined'])
  },
)

test.skipIf(WITHOUT_CURL)(
  'a route without a host matches a proxy request only if it is for the sidecar itself (skipped without curl)',
  async () => {
    const { listener, requests } = createApi()
    const upstream = `${await startServer(listener)}/orders`
    const sidecar = await startSidecar(await configFor({ match: '{ path: /orders }', upstream }))
    const { port } = new URL(sidecar.proxyUrl)
    const fetchThrough = async (url: string): Promise<Outcome> =>
      await curl([...proxyOption(port), url])

    const { out } = await fetchThrough(`http://${PARTNER}/orders/7`)
    expect(JSON.parse(out)).toMatchObject({ status: 403, code: 'egress_denied' })
    expect(requests).toEqual([])
    expectResponse(
      await fetchThrough(`${sidecar.proxyUrl}/orders/7`),
      responseTo('GET', '/orders/7'),
    )
    expect(summary(requests)).toEqual([`GET /orders/7 Bearer ${TOKEN}`])
  },
)

test.skipIf(WITHOUT_CURL)(
  'a sidecar on a loopback address rejects an unknown Host (skipped without curl)',
  async () => {
    const { listener, requests } = createApi()
    const upstream = `${await startServer(listener)}/orders`
    const sidecar = await startSidecar(await configFor({ match: '{ path: /orders }', upstream }))
    const { port } = new URL(sidecar.proxyUrl)
    const url = `http://rebound.example:${port}/orders/7`
    const address = ['--connect-to', `::127.0.0.1:${port}`]

    const { out } = await curl([...STATUS, ...address, url])
    expect(out).toBe('403 000')
    expect(requests).toEqual([])
    expectResponse(
      await curl([`http://localhost:${port}/orders/7`]),
      responseTo('GET', '/orders/7'),
    )
  },
)
