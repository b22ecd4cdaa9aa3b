import { jwtVerify } from 'jose'
import { expect, test } from 'vitest'
import { createSecret } from '../../../src/lib/secret.ts'
import { type Grant, grantFingerprint, prepareGrant } from '../../../src/tokens/grant.ts'
import { createSigningKey, KEY_ID } from '../../helpers/signing-keys.ts'

const SERVER = {
  issuer: 'https://login.example.com',
  token_endpoint: 'https://login.example.com/token',
}
const NOW_MS = Date.UTC(2026, 0, 1)
const NOW_SECONDS = NOW_MS / 1000

const signingKey = createSigningKey('ES256')

function jwtBearer(audience: string, key = signingKey): Grant {
  return {
    type: 'jwt_bearer',
    key: {
      readKey: async () => createSecret(key.text('JWK')),
      readPassphrase: undefined,
      algorithm: 'ES256',
      keyId: undefined,
    },
    issuer: 'client-7',
    subject: 'user-7',
    audience,
    claims: { scope: 'orders.read' },
  }
}

function tokenExchange(subjectToken: string, requestedTokenType?: string): Grant {
  return {
    type: 'token_exchange',
    readSubjectToken: async () => createSecret(subjectToken),
    subjectTokenType: 'urn:ietf:params:oauth:token-type:jwt',
    requestedTokenType,
  }
}

test('client credentials need no further fields', async () => {
  expect(await prepareGrant({ type: 'client_credentials' }, SERVER, NOW_MS)).toEqual({
    grantType: 'client_credentials',
    fields: {},
  })
})

test('the assertion of jwt_bearer is signed, has the configured claims and is valid for a minute', async () => {
  const request = await prepareGrant(jwtBearer('tokenEndpoint'), SERVER, NOW_MS)
  expect(request.grantType).toBe('urn:ietf:params:oauth:grant-type:jwt-bearer')
  const { payload, protectedHeader } = await jwtVerify(
    request.fields['assertion'] ?? '',
    signingKey.publicKey,
    { currentDate: new Date(NOW_MS) },
  )
  expect(protectedHeader).toEqual({ alg: 'ES256', typ: 'JWT', kid: KEY_ID })
  expect(payload).toEqual({
    iss: 'client-7',
    sub: 'user-7',
    aud: SERVER.token_endpoint,
    scope: 'orders.read',
    iat: NOW_SECONDS - 5,
    exp: NOW_SECONDS + 60,
    jti: expect.any(String),
  })
})

test('each assertion has another jti', async () => {
  const grant = jwtBearer('issuer')
  const [first, second] = [
    await prepareGrant(grant, SERVER, NOW_MS),
    await prepareGrant(grant, SERVER, NOW_MS),
  ]
  expect(first.fields['assertion']).not.toBe(second.fields['assertion'])
})

test('token exchange sends the subject token without surrounding white space', async () => {
  const request = await prepareGrant(
    tokenExchange('subject-7\n', 'urn:example:type'),
    SERVER,
    NOW_MS,
  )
  expect(request).toEqual({
    grantType: 'urn:ietf:params:oauth:grant-type:token-exchange',
    fields: {
      subject_token: 'subject-7',
      subject_token_type: 'urn:ietf:params:oauth:token-type:jwt',
      requested_token_type: 'urn:example:type',
    },
  })
})

test('token exchange omits requested_token_type if none is set', async () => {
  const { fields } = await prepareGrant(tokenExchange('subject-7'), SERVER, NOW_MS)
  expect(Object.keys(fields)).toEqual(['subject_token', 'subject_token_type'])
})

test('a subject token that cannot be read fails with token_unavailable', async () => {
  const grant: Grant = {
    type: 'token_exchange',
    readSubjectToken: () => Promise.reject(new Error('ENOENT')),
    subjectTokenType: 'urn:ietf:params:oauth:token-type:jwt',
    requestedTokenType: undefined,
  }
  await expect(prepareGrant(grant, SERVER, NOW_MS)).rejects.toMatchObject({
    code: 'token_unavailable',
    message: 'Cannot exchange the subject token: its file is not readable',
  })
})

test('the fingerprint changes with the key and the subject token', async () => {
  const fingerprints = await Promise.all(
    [
      { type: 'client_credentials' } as const,
      jwtBearer('issuer'),
      jwtBearer('issuer', createSigningKey('ES256')),
      tokenExchange('subject-7'),
      tokenExchange('subject-8'),
    ].map(grantFingerprint),
  )
  expect(new Set(fingerprints).size).toBe(5)
  expect(await grantFingerprint(tokenExchange('subject-7'))).toBe(fingerprints[3])
})
