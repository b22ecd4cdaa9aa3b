import { expect, test } from 'vitest'
import { secretVariables } from '../../../src/cli/secret-variables.ts'

test('finds the variables of secrets at any depth', () => {
  const settings = {
    credentials: { corp: { auth: { clientSecret: { env: 'CORP_SECRET' } } } },
    routes: [{ name: 'env' }, { proxy: { password: { env: 'PROXY_PASSWORD' } } }],
    log: { level: 'info' },
  }
  expect([...secretVariables(settings)]).toEqual(['CORP_SECRET', 'PROXY_PASSWORD'])
})
