import { expect, test } from 'vitest'
import { runCommand, writeConfig } from '../helpers/cli.ts'
import { exchangeRaw } from '../helpers/raw-http.ts'
import { startServer } from '../helpers/servers.ts'
import { startSidecar } from '../helpers/sidecar.ts'

/** The upstream responds with the target that it received. */
async function startWithConfigFile() {
  const upstream = await startServer((req, res) => res.end(req.url))
  const yaml = `
forward: pass
access: { origins: ['https://app.example.com'] }
routes:
  - { name: orders, match: { path: /orders }, upstream: '${upstream}/v2/', credential: none }
  - { name: kept, match: { path: /kept, methods: [GET] }, upstream: '${upstream}', keepPath: true, credential: none }
`
  const { proxyUrl } = await startSidecar(yaml)
  const file = await writeConfig(`listen: ${new URL(proxyUrl).host}\n${yaml}`)
  return { upstream, proxyUrl, file }
}

test.for([
  { target: '/orders/7?a=b' },
  { target: '/kept/7' },
  { target: '/kept/7', method: 'POST' },
  { target: '/orders%2F7' },
  { target: '/orders/../x' },
  { target: '/elsewhere' },
  { target: '*' },
  { target: '/orders', method: 'TRACE' },
  { target: '/orders', field: 'Origin: https://evil.example' },
  { target: '/orders', field: 'Origin: https://app.example.com' },
  { target: '/orders', field: 'Sec-Fetch-Site: cross-site' },
  { target: '/orders', host: 'evil.example' },
  { target: 'OWN/orders/7' },
  { target: 'UPSTREAM/passed' },
  { target: 'UPSTREAM/passed', field: 'Origin: https://evil.example' },
])('explain reports the outcome that the proxy has for %j', async (request) => {
  const { upstream, proxyUrl, file } = await startWithConfigFile()
  const { method = 'GET', field } = request
  const target = request.target.replace('OWN', proxyUrl).replace('UPSTREAM', upstream)
  const host =
    request.host ?? (target.startsWith('h') ? new URL(target).host : new URL(proxyUrl).host)
  const fields = [`Host: ${host}`, ...(field === undefined ? [] : [field])]

  const head = [`${method} ${target} HTTP/1.1`, 'Connection: close', ...fields, '', '']
  const response = await exchangeRaw(proxyUrl, head.join('\r\n'))
  const args = ['explain', '--json', method, target, '-c', file]
  const { out } = await runCommand([...args, ...fields.flatMap((each) => ['-H', each])])
  const { outcome, error, upstream: url } = JSON.parse(out)

  const [status = '', ...rest] = response.split('\r\n')
  const body = rest.at(-1)
  const actual =
    status === 'HTTP/1.1 200 OK'
      ? { target: body }
      : { code: JSON.parse(body ?? '').code, message: JSON.parse(body ?? '').detail }
  const sent = outcome === 'passed' ? target : url
  const expected = outcome === 'refused' ? error : { target: sent.replace(upstream, '') }
  expect(actual).toEqual(expected)
})
