import { expect, test } from 'vitest'
import { injectToken } from '../../../src/exchange/inject-token.ts'
import { accessToken, exchangeRequest, upstreamResponse } from '../../helpers/exchange-request.ts'

const SIGNAL = new AbortController().signal

async function injected(token: 'token' | 'none'): Promise<readonly string[]> {
  let sent: readonly string[] = []
  const inject = injectToken(
    { name: 'X-Token', valueOf: ({ value }) => `Bearer ${value.reveal()}` },
    async ({ fields }) => {
      sent = fields
      return upstreamResponse()
    },
  )
  await inject(
    exchangeRequest({
      fields: ['Accept', '*/*'],
      token: token === 'none' ? undefined : accessToken('secret'),
    }),
    SIGNAL,
  )
  return sent
}

test('the token is the last field', async () => {
  expect(await injected('token')).toEqual(['Accept', '*/*', 'X-Token', 'Bearer secret'])
})

test('a request without a token keeps its fields', async () => {
  expect(await injected('none')).toEqual(['Accept', '*/*'])
})
