import { expect, test } from 'vitest'
import { forwardConfig } from '../helpers/config-text.ts'
import { exchangeRaw, isWholeRequest, startRawUpstream } from '../helpers/raw-http.ts'
import { startSidecar } from '../helpers/sidecar.ts'

/** The response to the application if the upstream sends these bytes and closes the connection. */
async function responseTo(response: string): Promise<string> {
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
  { what: 'data that is not HTTP', response: 'SSH-2.0-OpenSSH\r\n\r\n', code: 'upstream_protocol' },
  { what: 'no data', response: '', code: 'upstream_reset' },
  {
    what: 'two Content-Length fields',
    response: 'HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nok',
    code: 'upstream_protocol',
  },
  {
    what: 'Content-Length and Transfer-Encoding',
    response: 'HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
    code: 'upstream_protocol',
  },
  {
    what: 'a header section above the limit',
    response: `HTTP/1.1 200 OK\r\nX-Long: ${'x'.repeat(20_000)}\r\n\r\n`,
    code: 'upstream_protocol',
  },
])('an upstream response with $what causes a 502 with $code', async ({ response, code }) => {
  const received = await responseTo(response)
  expect(received).toMatch(/^HTTP\/1.1 502 Bad Gateway\r\n/)
  expect(received).toContain(`"code":"${code}"`)
  expect(received).toContain(`Proxy-Status: token-sidecar; error=`)
})
