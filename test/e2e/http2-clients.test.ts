import { createServer, type IncomingMessage } from 'node:http'
import { text } from 'node:stream/consumers'
import { expect, test } from 'vitest'
import { createAuthority } from '../helpers/certificates.ts'
import { endpointConfig } from '../helpers/config-text.ts'
import { fileWith } from '../helpers/credential-call.ts'
import { run } from '../helpers/http-clients.ts'
import { startListening } from '../helpers/servers.ts'
import { startSidecar } from '../helpers/sidecar.ts'
import { sendToken, startTokenEndpoint } from '../helpers/token-endpoint.ts'
import { findPrograms, MAY_SKIP } from '../helpers/tools.ts'

const isMissing = ['nghttp', 'h2load'].some((program) => findPrograms(program).length === 0)

const AUTHORITY = await createAuthority()

const LISTENERS: readonly { transport: string; listen: () => Promise<string> }[] = [
  { transport: 'cleartext', listen: async () => '127.0.0.1:0' },
  {
    transport: 'TLS',
    async listen() {
      const { certificate, key } = await AUTHORITY.issue('localhost', ['localhost', '127.0.0.1'])
      const files = `cert: { file: ${await fileWith(certificate)} }, key: { file: ${await fileWith(key)} }`
      return `{ address: '127.0.0.1:0', tls: { ${files} } }`
    },
  },
]

/** A sidecar that serves this listener, and the requests that its HTTP/1.1 upstream has received. */
async function start(listen: string) {
  const requests: (Pick<IncomingMessage, 'headers' | 'trailers'> & { readonly body: string })[] = []
  const server = createServer((req, res) => {
    void text(req).then((body) => {
      requests.push({ headers: req.headers, trailers: req.trailers, body })
      res.end('from the API')
    })
  })
  const upstream = await startListening(server)
  const endpoint = await startTokenEndpoint((_request, res) =>
    sendToken(res, { access_token: 'TOKEN' }),
  )
  const sidecar = await startSidecar(
    endpointConfig({ endpoint: endpoint.url, upstream }),
    {},
    listen,
  )
  return { requests, url: `${sidecar.proxyUrl}/orders` }
}

test.skipIf(isMissing && MAY_SKIP).for(LISTENERS)(
  'nghttp sends a body and a trailer section over $transport (skipped without nghttp)',
  async ({ listen }) => {
    const { requests, url } = await start(await listen())
    const body = await fileWith('content')
    const outcome = await run('nghttp', [
      `--data=${body}`,
      '--no-content-length',
      '--trailer=x-sum: abc',
      url,
    ])
    expect(outcome).toMatchObject({ code: 0, out: 'from the API' })
    expect(requests).toMatchObject([
      {
        headers: { authorization: 'Bearer TOKEN' },
        body: 'content',
        trailers: { 'x-sum': 'abc' },
      },
    ])
  },
)

test.skipIf(isMissing && MAY_SKIP).for(LISTENERS)(
  'h2load gets a response to each request over $transport (skipped without h2load)',
  async ({ listen }) => {
    const { requests, url } = await start(await listen())
    const { code, out } = await run('h2load', ['-n', '400', '-c', '4', '-m', '8', url])
    expect(code).toBe(0)
    expect(out).toContain('400 total, 400 started, 400 done, 400 succeeded, 0 failed')
    expect(out).toContain('status codes: 400 2xx')
    expect(requests.map(({ headers }) => headers.authorization)).toEqual(
      Array.from({ length: 400 }, () => 'Bearer TOKEN'),
    )
  },
)
