import { expect, test } from 'vitest'
import { createSelfSigned } from '../../helpers/certificates.ts'
import { configWith, loadText } from '../../helpers/problems.ts'

const ROUTE = { match: { host: 'api.example.com' } }

async function load(intercept: unknown) {
  const { certificate, key } = await createSelfSigned('ca')
  const text = JSON.stringify(configWith({ route: ROUTE, top: { intercept } }))
  return await loadText(text, {
    env: { CORP_SECRET: 's3cret' },
    files: { 'ca.pem': certificate, 'ca.key': key },
  })
}

async function faultsOf(intercept: unknown): Promise<string[]> {
  const result = await load(intercept)
  return result.ok ? [] : result.problems.map(({ path, message }) => `${path}: ${message}`)
}

const FILES = { cert: { file: 'ca.pem' }, key: { file: 'ca.key' } }

test('without "intercept" nothing is intercepted', async () => {
  const result = await loadText(JSON.stringify(configWith({})), { env: { CORP_SECRET: 's3cret' } })
  expect(result.config?.intercept).toBeUndefined()
})

test('a CA is generated in a directory, with a truststore that has the usual password', async () => {
  expect((await load({ ca: { directory: 'ca' } })).config?.intercept).toEqual({
    ca: { kind: 'generated', directory: 'ca' },
    bundle: { password: 'changeit' },
  })
})

test('a CA is supplied as a certificate and a key', async () => {
  expect((await load({ ca: FILES })).config?.intercept?.ca).toEqual({
    kind: 'supplied',
    files: FILES,
  })
})

const EITHER = 'intercept.ca: expected either "directory", or "cert" and "key"'

test.for([
  [{}, EITHER],
  [{ cert: FILES.cert }, EITHER],
  [{ key: FILES.key }, EITHER],
  [{ directory: 'ca', ...FILES }, EITHER],
  [{ directory: '' }, 'intercept.ca.directory: expected a text that is not empty, got ""'],
] as const)('the CA %j is rejected: %s', async ([ca, fault]) => {
  expect(await faultsOf({ ca })).toEqual([fault])
})

test('the key of another certificate is rejected', async () => {
  const { key } = await createSelfSigned('other')
  const { certificate } = await createSelfSigned('ca')
  const text = JSON.stringify(configWith({ route: ROUTE, top: { intercept: { ca: FILES } } }))
  const files = { 'ca.pem': certificate, 'ca.key': key }
  const result = await loadText(text, { env: { CORP_SECRET: 's3cret' }, files })
  expect(result).toMatchObject({
    ok: false,
    problems: [
      {
        path: 'intercept.ca',
        message: 'expected a certificate and the private key that belongs to it',
      },
    ],
  })
})
