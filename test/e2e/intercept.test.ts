import { once } from 'node:events'
import { connect as connectHttp2 } from 'node:http2'
import { createServer as createTlsServer } from 'node:https'
import { text } from 'node:stream/consumers'
import { ProxyAgent, request } from 'undici'
import { expect, onTestFinished, test } from 'vitest'
import { createAuthority } from '../helpers/certificates.ts'
import { run } from '../helpers/http-clients.ts'
import { startHttp2Server } from '../helpers/http2-upstream.ts'
import {
  INTERCEPTED_TOKEN,
  openIntercepted,
  startIntercepting,
  type InterceptingSidecar,
} from '../helpers/interception.ts'
import { metric } from '../helpers/metrics.ts'
import { follow } from '../helpers/raw-connection.ts'
import { startServer } from '../helpers/servers.ts'
import { until } from '../helpers/wait.ts'

/** An upstream that responds with the header fields that it has received. */
async function startEcho(): Promise<string> {
  return await startServer((req, res) => {
    res.setHeader('content-type', 'application/json')
    res.end(JSON.stringify({ url: req.url, ...req.headers }))
  })
}

function proxyAgent({ proxyUrl, authority }: InterceptingSidecar): ProxyAgent {
  const agent = new ProxyAgent({
    uri: proxyUrl,
    requestTls: { ca: authority.certificate },
  })
  onTestFinished(async () => await agent.destroy())
  return agent
}

const handshakes = async (
  sidecar: Pick<InterceptingSidecar, 'adminUrl'>,
  outcome: string,
  host = 'api.test',
): Promise<number | undefined> =>
  await metric(sidecar, 'token_sidecar_intercept_handshakes_total', { host, outcome })

test('an https request to a routed host is answered by the route, with its token', async () => {
  const sidecar = await startIntercepting([{ host: 'api.test', upstream: await startEcho() }])
  const dispatcher = proxyAgent(sidecar)
  const { statusCode, body } = await request('https://api.test/orders?a=1', { dispatcher })
  expect(statusCode).toBe(200)
  expect(await body.json()).toMatchObject({
    url: '/orders?a=1',
    authorization: `Bearer ${INTERCEPTED_TOKEN}`,
  })
  expect(await handshakes(sidecar, 'ok')).toBe(1)
  const requests = async (mode: string): Promise<number | undefined> =>
    await metric(sidecar, 'token_sidecar_inbound_requests_total', { mode, protocol: 'http/1.1' })
  expect(await requests('intercepted')).toBe(1)
  expect(await requests('http_proxy')).toBe(0)
  expect(await sidecar.logs()).toContain('"mode":"intercepted"')
})

test('requests on a kept connection need one handshake', async () => {
  const sidecar = await startIntercepting([{ host: 'api.test', upstream: await startEcho() }])
  const dispatcher = proxyAgent(sidecar)
  for (let i = 0; i < 3; i += 1) {
    const { body } = await request('https://api.test/', { dispatcher })
    await body.dump()
  }
  expect(await handshakes(sidecar, 'ok')).toBe(1)
})

test('HTTP/2 is negotiated with a client where the upstream speaks it', async () => {
  const upstream = await startHttp2Server((stream, headers) => {
    stream.respond({ ':status': 200 })
    stream.end(String(headers['authorization']))
  })
  const sidecar = await startIntercepting([
    { host: 'api.test', upstream: upstream.origin, settings: 'http2: always' },
  ])
  const socket = await openIntercepted(sidecar, 'api.test:443', {
    ALPNProtocols: ['h2', 'http/1.1'],
  })
  expect(socket.alpnProtocol).toBe('h2')
  const session = connectHttp2('https://api.test', { createConnection: () => socket })
  const stream = session.request({ ':path': '/' })
  expect(await text(stream)).toBe(`Bearer ${INTERCEPTED_TOKEN}`)
  expect(await handshakes(sidecar, 'ok')).toBe(1)
  session.close()
  await once(session, 'close')
})

test('curl calls the https URL of a routed host through the proxy', async () => {
  const sidecar = await startIntercepting([{ host: 'api.test', upstream: await startEcho() }])
  const ca = await import('../helpers/one-call.ts').then(
    async ({ fileWith }) => await fileWith(sidecar.authority.certificate),
  )
  const { out, err } = await run('curl', ['-sS', '--cacert', ca, '-x', sidecar.proxyUrl, 'https://api.test/x'])
  expect(err).toBe('')
  expect(JSON.parse(out)).toMatchObject({ url: '/x', authorization: `Bearer ${INTERCEPTED_TOKEN}` })
})
