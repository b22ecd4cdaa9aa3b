import { expect, test } from 'vitest'
import { forwardConfig } from '../helpers/config-text.ts'
import { exchangeRaw, isWholeRequest, startRawUpstream } from '../helpers/raw-http.ts'
import { startSidecar } from '../helpers/sidecar.ts'

/** What the application gets when the upstream answers these bytes and closes. */
async function answered(response: string): Promise<string> {
  const upstream = await startRawUpstream((received, socket) => {
    if (isWholeRequest(received)) socket.end(response, 'latin1')
  })
  const sidecar = await startSidecar(forwardConfig(upstream.origin))
  return await exchangeRaw(
    sidecar.proxyUrl,
    'GET /x HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n',
  )
}

test.for([
  { what: 'no HTTP', response: 'SSH-2.0-OpenSSH\r\n\r\n', code: 'upstream_protocol' },
  { what: 'nothing', response: '', code: 'upstream_reset' },
  {
    what: 'two lengths',
    response: 'HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nok',
    code: 'upstream_protocol',
  },
  {
    what: 'a length and chunks',
    response: 'HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
    code: 'upstream_protocol',
  },
  {
    what: 'too many headers',
    response: `HTTP/1.1 200 OK\r\nX-Long: ${'x'.repeat(20_000)}\r\n\r\n`,
    code: 'upstream_protocol',
  },
])('an upstream that answers $what: $code', async ({ response, code }) => {
  const answer = await answered(response)
  expect(answer).toMatch(/^HTTP\/1.1 502 Bad Gateway\r\n/)
  expect(answer).toContain(`"code":"${code}"`)
  expect(answer).toContain(`Proxy-Status: token-sidecar; error=`)
})
