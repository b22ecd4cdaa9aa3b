import { expect, test } from 'vitest'
import { runCommand, writeConfig } from '../../helpers/cli.ts'

const INTERCEPT = 'intercept: { ca: { directory: ca } }\n'
const CONFIG = `listen:
  - { name: app, address: 127.0.0.1:8080 }
  - { name: redirected, address: '127.0.0.1:15001', mode: transparent }
forward: pass
routes:
  - { name: api, match: { host: api.example }, upstream: https://api.example, credential: none }
`

/** The object that `explain --json` prints. */
async function explained(
  listener: string,
  request: string,
  config = INTERCEPT + CONFIG,
): Promise<Record<string, unknown>> {
  const [method = '', url = ''] = request.split(' ')
  const options = ['--json', '--listener', listener, '-c', await writeConfig(config)]
  return JSON.parse((await runCommand(['explain', ...options, method, url])).out)
}

test.for([
  ['app', 'GET https://api.example/x', 'the tunnel is intercepted'],
  ['app', 'GET https://API.example.:8443/x', 'the tunnel is intercepted'],
  ['app', 'CONNECT api.example:443', 'the tunnel is intercepted'],
  ['redirected', 'GET https://api.example/x', 'the connection is redirected'],
  ['redirected', 'GET wss://api.example/x', 'the connection is redirected'],
] as const)('with "intercept", the listener %s routes %s', async ([listener, request, note]) => {
  expect(await explained(listener, request)).toMatchObject({
    outcome: 'routed',
    route: { name: 'api' },
    note: expect.stringContaining(note),
  })
})

test('a transparent listener routes a request for an http URL', async () => {
  expect(await explained('redirected', 'GET http://api.example/x', CONFIG)).toMatchObject({
    outcome: 'routed',
    upstream: 'https://api.example/x',
    note: null,
  })
})

test.for([
  ['GET https://other.example/', 'no route is for host "other.example"'],
  ['GET http://other.example/', 'no route is for host "other.example"'],
  ['GET /x', 'no route is for host "127.0.0.1:15001"'],
  ['GET https://api.example:8443/', 'only 443 is served'],
  ['CONNECT api.example:443', 'not a proxy'],
] as const)(
  'a transparent listener refuses %s, also with "forward: pass"',
  async ([request, why]) => {
    expect(await explained('redirected', request)).toMatchObject({
      outcome: 'refused',
      error: { code: 'egress_denied', message: expect.stringContaining(why) },
    })
  },
)

test('without "intercept", a transparent listener refuses an https URL', async () => {
  expect(await explained('redirected', 'GET https://api.example/', CONFIG)).toMatchObject({
    outcome: 'refused',
    error: { message: expect.stringContaining('without "intercept"') },
  })
})

test('with "intercept", a tunnel to another host follows "forward"', async () => {
  expect(await explained('app', 'GET https://other.example/')).toMatchObject({
    outcome: 'passed',
    tunnel: 'other.example:443',
  })
})
