import { expect, test } from 'vitest'
import { presetOf } from '../../../src/compose/provider-presets.ts'

type Provider = Parameters<typeof presetOf>[0]['provider']

test.for<{ provider: NonNullable<Provider>; issuer: string; tokenEndpoint: string }>([
  {
    provider: { name: 'entra', tenant: 'contoso' },
    issuer: 'https://login.microsoftonline.com/contoso/v2.0',
    tokenEndpoint: 'https://login.microsoftonline.com/contoso/oauth2/v2.0/token',
  },
  {
    provider: { name: 'okta', domain: 'dev.okta.com', authorizationServer: 'default' },
    issuer: 'https://dev.okta.com/oauth2/default',
    tokenEndpoint: 'https://dev.okta.com/oauth2/default/v1/token',
  },
  {
    provider: { name: 'auth0', domain: 'dev.auth0.com' },
    issuer: 'https://dev.auth0.com/',
    tokenEndpoint: 'https://dev.auth0.com/oauth/token',
  },
  {
    provider: { name: 'cognito', domain: 'shop.auth.eu-west-1.amazoncognito.com' },
    issuer: 'https://shop.auth.eu-west-1.amazoncognito.com',
    tokenEndpoint: 'https://shop.auth.eu-west-1.amazoncognito.com/oauth2/token',
  },
  {
    provider: { name: 'keycloak', url: 'https://login.example.com/', realm: 'a b' },
    issuer: 'https://login.example.com/realms/a%20b',
    tokenEndpoint: 'https://login.example.com/realms/a%20b/protocol/openid-connect/token',
  },
  {
    provider: { name: 'ping', environment: 'env-7', region: 'eu' },
    issuer: 'https://auth.pingone.eu/env-7/as',
    tokenEndpoint: 'https://auth.pingone.eu/env-7/as/token',
  },
  {
    provider: { name: 'google' },
    issuer: 'https://accounts.google.com',
    tokenEndpoint: 'https://oauth2.googleapis.com/token',
  },
  {
    provider: { name: 'ebay', sandbox: true },
    issuer: 'https://api.sandbox.ebay.com',
    tokenEndpoint: 'https://api.sandbox.ebay.com/identity/v1/oauth2/token',
  },
  {
    provider: { name: 'shopify', shop: 'example' },
    issuer: 'https://example.myshopify.com',
    tokenEndpoint: 'https://example.myshopify.com/admin/oauth/access_token',
  },
  {
    provider: { name: 'linkedin' },
    issuer: 'https://www.linkedin.com',
    tokenEndpoint: 'https://www.linkedin.com/oauth/v2/accessToken',
  },
])('the preset of $provider.name has its issuer and token endpoint', (row) => {
  const { issuer, tokenEndpoint } = presetOf({ provider: row.provider })
  expect({ issuer, tokenEndpoint }).toEqual({
    issuer: row.issuer,
    tokenEndpoint: row.tokenEndpoint,
  })
})

test('a credential without a provider has no preset', () => {
  expect(presetOf({ provider: undefined })).toEqual({})
})

test('a provider without an address has only the differences from the RFCs', () => {
  expect(presetOf({ provider: { name: 'okta', authorizationServer: 'default' } })).toEqual({
    assertionAudience: 'tokenEndpoint',
    assertionHeader: { typ: 'JWT' },
  })
  expect(presetOf({ provider: { name: 'apigee' } })).toEqual({ tokenType: 'BearerToken' })
})

test.for([
  ['api://orders', 'api://orders/.default'],
  ['api://orders/', 'api://orders/.default'],
  ['api://orders/.default', 'api://orders/.default'],
] as const)('the Entra ID preset converts the scope %s to %s', ([scope, expected]) => {
  expect(presetOf({ provider: { name: 'entra', tenant: 'contoso' } }).scope?.(scope)).toBe(expected)
})

test('the Google preset puts scopes into the assertion', () => {
  expect(presetOf({ provider: { name: 'google' } }).scopesInAssertion).toBe(true)
})
