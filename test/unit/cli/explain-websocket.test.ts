import { expect, test } from 'vitest'
import { runCommand, writeConfig } from '../../helpers/cli.ts'

const CONFIG = `listen: 127.0.0.1:8080
routes:
  - { name: feed, match: { path: /feed }, upstream: https://api.example.com, credential: none }
  - { name: news, match: { host: news.example.com }, upstream: https://news.example.com, credential: none }
`

/** The object that `explain --json` prints for a GET. */
async function explained(url: string, config = CONFIG): Promise<Record<string, unknown>> {
  const file = await writeConfig(config)
  return JSON.parse((await runCommand(['explain', '--json', 'GET', url, '-c', file])).out)
}

test.for([
  ['ws://other.example/feed', 'other.example:80'],
  ['wss://other.example/feed', 'other.example:443'],
  ['WSS://other.example', 'other.example:443'],
] as const)('the WebSocket %s takes a tunnel to %s, which is refused', async ([url, tunnel]) => {
  expect(await explained(url)).toMatchObject({
    outcome: 'refused',
    tunnel,
    error: { code: 'egress_denied' },
  })
})

test('explain passes a WebSocket to another host through a tunnel with "forward: pass"', async () => {
  expect(await explained('wss://other.example/feed', `forward: pass\n${CONFIG}`)).toMatchObject({
    outcome: 'passed',
    tunnel: 'other.example:443',
  })
})

test('explain refuses a tunnel for a WebSocket over TLS to a host with a route', async () => {
  expect(await explained('wss://news.example.com/')).toMatchObject({
    outcome: 'refused',
    tunnel: 'news.example.com:443',
    route: null,
  })
})

test('explain routes a WebSocket to the sidecar itself', async () => {
  expect(await explained('ws://127.0.0.1:8080/feed/7')).toMatchObject({
    outcome: 'routed',
    route: { name: 'feed' },
    upstream: 'https://api.example.com/7',
    note: null,
  })
})

test('explain notes for a WebSocket over TLS to the sidecar itself that the listener has no TLS', async () => {
  expect(await explained('wss://localhost:8080/feed')).toMatchObject({
    outcome: 'routed',
    note: 'the sidecar is reached over ws: only, so have the application call a ws URL',
  })
})
