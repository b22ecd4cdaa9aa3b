import { expect, test } from 'vitest'
import { runCommand, writeConfig } from '../../helpers/cli.ts'

const CONFIG = `listen: 127.0.0.1:8080
access: { hosts: [sidecar.internal], origins: ['https://app.example.com'] }
credentials:
  corp:
    tokenEndpoint: https://login.example.com/token
    clientId: billing
    auth: { clientSecret: { env: NOT_SET } }
routes:
  - { name: orders, match: { path: /orders }, upstream: https://api.example.com, credential: corp }
  - name: own-token
    match: { path: /own }
    upstream: https://api.example.com
    credential: corp
    existingAuthorization: keep
  - name: strict
    match: { path: /strict }
    upstream: https://api.example.com
    credential: corp
    existingAuthorization: reject
`

/** The object that `explain --json` prints for a GET with these header fields. */
async function explained(url: string, ...fields: readonly string[]) {
  const file = await writeConfig(CONFIG)
  const headers = fields.flatMap((field) => ['-H', field])
  const { out } = await runCommand(['explain', '--json', 'GET', url, ...headers, '-c', file])
  const report: Record<string, unknown> = JSON.parse(out)
  return report
}

test.for([
  [['Origin: https://evil.example'], 'its Origin is not allowed'],
  [['Origin: null'], 'its Origin is not allowed'],
  [['sec-fetch-site: cross-site'], 'Sec-Fetch-Site says that it comes from a web page'],
  [['Host: evil.example'], 'its Host "evil.example" is not a name of this listener'],
] as const)('explain refuses a request with %j: %s', async ([fields, why]) => {
  expect(await explained('/orders/7', ...fields)).toMatchObject({
    outcome: 'refused',
    error: { code: 'egress_denied', message: expect.stringContaining(why) },
    // The routes are not the reason.
    otherRoutes: [],
  })
})

test.for([
  ['/orders/7', ['Origin: https://app.example.com', 'Sec-Fetch-Site: cross-site']],
  ['http://localhost:8080/orders/7', ['Origin: http://localhost:8080']],
  ['/orders/7', ['Host: sidecar.internal:8080']],
  ['http://sidecar.internal:8080/orders/7', []],
] as const)('explain routes a request for %s with %j', async ([url, fields]) => {
  expect(await explained(url, ...fields)).toMatchObject({
    outcome: 'routed',
    upstream: 'https://api.example.com/7',
    webPageOrigins: ['https://app.example.com'],
  })
})

test('explain lists the origins whose web pages may send the request', async () => {
  const { out } = await runCommand(['explain', 'GET', '/orders', '-c', await writeConfig(CONFIG)])
  expect(out).toContain('  web pages   only of the same origin, or of https://app.example.com\n')
})

test('explain adds no token to a request with a header that the route keeps', async () => {
  const report = await explained('/own', 'Authorization: Bearer canary')
  expect(report).toMatchObject({
    outcome: 'routed',
    token: null,
    note: expect.stringContaining('no token is injected'),
  })
  expect(JSON.stringify(report)).not.toContain('canary')
})

test('explain refuses a request with a header that the route rejects', async () => {
  expect(await explained('/strict', 'Authorization: Bearer canary')).toMatchObject({
    outcome: 'refused',
    error: { code: 'request_invalid' },
    otherRoutes: [],
  })
})

test('explain refuses a request that loops through the sidecar', async () => {
  const via = Array.from({ length: 20 }, () => '1.1 token-sidecar').join(', ')
  expect(await explained('/orders', `Via: ${via}`)).toMatchObject({
    outcome: 'refused',
    error: { code: 'request_loop' },
  })
})

test.for(['Origin', ': value', 'Two words: x', 'Name: a\nb'])(
  'explain rejects -H %j as a usage error',
  async (field) => {
    const outcome = await runCommand(['explain', 'GET', '/', '-H', field])
    expect(outcome.code).toBe(2)
    expect(outcome.err).toContain('expected "Name: value"')
  },
)
