import { ProxyAgent, request } from 'undici'
import { expect, test } from 'vitest'
import { exchangeRaw } from '../helpers/raw-http.ts'
import { startServer } from '../helpers/servers.ts'
import { startSidecar } from '../helpers/sidecar.ts'

/** A sidecar with a listener that serves no route, and one whose route has an API that counts its requests. */
async function startTwoListeners() {
  let requests = 0
  const api = await startServer((_req, res) => {
    requests += 1
    res.end('from the API')
  })
  const sidecar = await startSidecar(
    `
forward: pass
routes:
  - { name: api, match: { path: / }, listeners: [local], upstream: '${api}', credential: none }
`,
    {},
    '[{ name: remote, address: 127.0.0.1:0 }, { name: local, address: 127.0.0.1:0 }]',
  )
  return { sidecar, remote: sidecar.urlOf('remote'), requests: () => requests }
}

test.for(['local', 'admin', 'remote'])(
  'forward: pass reaches no listener of the sidecar itself: %s',
  async (name) => {
    const { sidecar, remote, requests } = await startTwoListeners()
    const { port } = new URL(name === 'admin' ? sidecar.adminUrl : sidecar.urlOf(name))
    for (const host of ['127.0.0.1', '127.0.0.2', 'localhost']) {
      const target = `${host}:${port}`
      const tunnel = await exchangeRaw(
        remote,
        `CONNECT ${target} HTTP/1.1\r\nHost: ${target}\r\n\r\n`,
        (all) => all.includes('\r\n\r\n'),
      )
      expect(tunnel).not.toMatch(/^HTTP\/1\.1 200/)
      const dispatcher = new ProxyAgent({ uri: remote, proxyTunnel: false })
      const { statusCode, body } = await request(`http://${target}/livez`, { dispatcher })
      expect(statusCode).toBeGreaterThanOrEqual(400)
      expect(await body.text()).not.toContain('from the API')
      await dispatcher.close()
    }
    expect(requests()).toBe(0)
  },
)

test('forward: pass reaches another server on this machine', async () => {
  const { remote } = await startTwoListeners()
  const other = await startServer((_req, res) => void res.end('another server'))
  const dispatcher = new ProxyAgent({ uri: remote, proxyTunnel: false })
  const { body } = await request(other, { dispatcher })
  expect(await body.text()).toBe('another server')
  await dispatcher.close()
})
