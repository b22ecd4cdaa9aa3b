import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { parse } from 'yaml'
import * as z from 'zod'
import { renderGenerated } from '../../../scripts/generated.ts'
import { configJsonSchema } from '../../../src/config/json-schema.ts'
import { loadText } from '../../helpers/problems.ts'

const EXAMPLE = readFileSync('config.example.yaml', 'utf8')

/** Every environment variable in the example. */
const VARIABLES = [...EXAMPLE.matchAll(/env: (?<name>\w+)/g)].map(
  ({ groups }) => groups?.['name'] ?? '',
)

test('config.example.yaml is valid, without a warning', async () => {
  const env = Object.fromEntries(VARIABLES.map((name) => [name, `the value of ${name}`]))
  expect(VARIABLES.length).toBeGreaterThan(0)
  expect(await loadText(EXAMPLE, { env })).toMatchObject({ ok: true, warnings: [] })
})

test('config.example.yaml with a misspelt key is invalid', async () => {
  expect(await loadText(EXAMPLE.replace('clientId', 'clientID'))).toMatchObject({ ok: false })
})

test.for(renderGenerated())('$path is up to date ("npm run generate" writes it)', (generated) => {
  expect(readFileSync(generated.path, 'utf8')).toBe(generated.text)
})

test('the JSON schema, the documentation of settings and metrics, and the dashboard are generated', () => {
  expect(renderGenerated().map(({ path }) => path)).toEqual([
    'config.schema.json',
    'docs/settings.md',
    'docs/metrics.md',
    'docs/runtimes.md',
    'deploy/grafana/token-sidecar.json',
  ])
})

// zod accepts unknown keys in an object that two subschemas validate, so they are validated separately.
const { anyOf, ...closed } = configJsonSchema()
const schema = z.fromJSONSchema({ ...closed })
const completeness = z.fromJSONSchema({ ...(anyOf !== undefined && { anyOf }) })

test('the JSON schema accepts config.example.yaml', () => {
  expect(schema.safeParse(parse(EXAMPLE)).error?.issues).toBeUndefined()
  expect(completeness.safeParse(parse(EXAMPLE)).error?.issues).toBeUndefined()
})

test('the JSON schema accepts a route without an upstream only in a file with defaults', () => {
  const text = EXAMPLE.replaceAll(/^ {4}upstream: .*$/gm, '')
  expect(text).not.toContain('\n    upstream:')
  const withDefaults = `${text}\ndefaults: { routes: { upstream: 'https://api.example.com' } }\n`
  expect(completeness.safeParse(parse(text)).success).toBe(false)
  for (const either of [schema, completeness]) {
    expect(either.safeParse(parse(withDefaults)).error?.issues).toBeUndefined()
  }
})

test('the JSON schema accepts top-level keys that start with "x-", and rejects other unknown ones', () => {
  expect(schema.safeParse(parse(`${EXAMPLE}\nx-common: { a: 1 }\n`)).success).toBe(true)
  expect(schema.safeParse(parse(`${EXAMPLE}\ny-common: { a: 1 }\n`)).success).toBe(false)
})

test.for([
  ['an unknown key at the top', 'routes:', 'rutes: []\nroutes:'],
  ['an unknown key in a route', 'upstream:', 'upstrem:'],
  ['a number for a client identifier', 'clientId: legacy-billing', 'clientId: 7'],
  ['a list for a map', 'match: { path: /orders }', 'match: []'],
  ['an unknown authentication method', 'client_secret_post', 'client_secret_pst'],
  ['a duration without a unit', 'token: 10s', 'token: 10'],
] as const)('the JSON schema rejects %s', ([, right, wrong]) => {
  expect(EXAMPLE).toContain(right)
  expect(schema.safeParse(parse(EXAMPLE.replace(right, wrong))).success).toBe(false)
})
