import { expect, test } from 'vitest'
import { secretVariables } from '../../../src/cli/secret-variables.ts'

test('finds the variables of secrets at any depth', () => {
  const settings = {
    credentials: { corp: { auth: { clientSecret: { env: 'CORP_SECRET' } } } },
    routes: [{ name: 'env' }, { proxy: { password: { env: 'PROXY_PASSWORD' } } }],
    log: { level: 'info' },
  }
  expect([...secretVariables(settings, {})]).toEqual(['CORP_SECRET', 'PROXY_PASSWORD'])
})

test('a variable that the text of a secret has been taken from is one', () => {
  const settings = {
    credentials: { corp: { auth: { clientSecret: { value: 's3cret' } } } },
    routes: [{ headers: { set: { value: 'other', 'x-tenant': 'emea' } } }],
  }
  const env = { CORP_SECRET: 's3cret', TENANT: 'emea', OTHER: 'other', UNSET: undefined }
  expect([...secretVariables(settings, env)]).toEqual(['CORP_SECRET'])
})
