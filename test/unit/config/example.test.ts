import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { parse } from 'yaml'
import * as z from 'zod'
import { renderGenerated } from '../../../scripts/generated.ts'
import { configJsonSchema } from '../../../src/config/json-schema.ts'
import { loadText } from '../../helpers/problems.ts'

const EXAMPLE = readFileSync('config.example.yaml', 'utf8')

/** Every variable that the example names. */
const VARIABLES = [...EXAMPLE.matchAll(/env: (?<name>\w+)/g)].map(
  ({ groups }) => groups?.['name'] ?? '',
)

test('the example is right, without a warning', async () => {
  const env = Object.fromEntries(VARIABLES.map((name) => [name, `the value of ${name}`]))
  expect(VARIABLES.length).toBeGreaterThan(0)
  expect(await loadText(EXAMPLE, { env })).toMatchObject({ ok: true, warnings: [] })
})

test('the example with a mistake is wrong', async () => {
  expect(await loadText(EXAMPLE.replace('clientId', 'clientID'))).toMatchObject({ ok: false })
})

test.for(renderGenerated())('$path is up to date; "npm run generate" makes it so', (generated) => {
  expect(readFileSync(generated.path, 'utf8')).toBe(generated.text)
})

test('the schema for editors, the documentation of settings and metrics, and the dashboard are generated', () => {
  expect(renderGenerated().map(({ path }) => path)).toEqual([
    'config.schema.json',
    'docs/settings.md',
    'docs/metrics.md',
    'deploy/grafana/token-sidecar.json',
  ])
})

const schema = z.fromJSONSchema({ ...configJsonSchema() })

test('the schema for editors takes the example', () => {
  expect(schema.safeParse(parse(EXAMPLE)).error?.issues).toBeUndefined()
})

test.for([
  ['an unknown key at the top', 'routes:', 'rutes: []\nroutes:'],
  ['an unknown key in a route', 'upstream:', 'upstrem:'],
  ['a number for a client identifier', 'clientId: legacy-billing', 'clientId: 7'],
  ['a list for a map', 'match: { path: /orders }', 'match: []'],
  ['an unknown method of authentication', 'client_secret_post', 'client_secret_pst'],
  ['a duration without a unit', 'token: 10s', 'token: 10'],
] as const)('the schema for editors refuses %s', ([, right, wrong]) => {
  expect(EXAMPLE).toContain(right)
  expect(schema.safeParse(parse(EXAMPLE.replace(right, wrong))).success).toBe(false)
})
