import { decodeJwt } from 'jose'
import { expect, test } from 'vitest'
import { provePossession } from '../../../src/exchange/prove-possession.ts'
import type { AccessToken } from '../../../src/tokens/access-token.ts'
import { createDpopKey } from '../../../src/tokens/dpop.ts'
import { accessToken, exchangeRequest, upstreamResponse } from '../../helpers/exchange-request.ts'

const SIGNAL = new AbortController().signal
const URL_OF_API = 'https://api.example.com/orders'

/** The fields of a request with this token, to an API that responds with these fields. */
async function send(token: AccessToken, responseFields: string[] = []): Promise<readonly string[]> {
  let sent: readonly string[] = []
  const prove = provePossession(async ({ fields }) => {
    sent = fields
    return upstreamResponse({ fields: responseFields })
  })
  await prove(exchangeRequest({ token, url: URL_OF_API }), SIGNAL)
  return sent
}

async function boundToken(): Promise<AccessToken> {
  return { ...accessToken('secret'), dpop: await createDpopKey('ES256', undefined) }
}

test('a bound token is sent with a proof for the method and the URL', async () => {
  const [name, proof = ''] = await send(await boundToken())
  expect(name).toBe('DPoP')
  expect(decodeJwt(proof)).toMatchObject({ htm: 'GET', htu: URL_OF_API })
})

test('a bearer token is sent without a proof', async () => {
  expect(await send(accessToken('secret'))).toEqual([])
})

test('the nonce of any response is in the next proof for that API', async () => {
  const token = await boundToken()
  await send(token, ['DPoP-Nonce', 'n-1'])
  const [, proof = ''] = await send(token)
  expect(decodeJwt(proof)['nonce']).toBe('n-1')
})
