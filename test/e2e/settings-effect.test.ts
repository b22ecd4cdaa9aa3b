import { createServer as createTlsServer } from 'node:https'
import { TLSSocket } from 'node:tls'
import * as fc from 'fast-check'
import { decodeJwt, decodeProtectedHeader } from 'jose'
import { expect, test } from 'vitest'
import { presetOf } from '../../src/compose/provider-presets.ts'
import type { CredentialConfig } from '../../src/config/credential-schema.ts'
import { systemClock } from '../../src/lib/clock.ts'
import { createDiscoveredMetadata } from '../../src/tokens/server-metadata.ts'
import { createAuthority } from '../helpers/certificates.ts'
import { startEgressProxy } from '../helpers/egress-proxy.ts'
import { callWith, fileWith } from '../helpers/credential-call.ts'
import { faultsOf } from '../helpers/problems.ts'
import { credentialSettings } from '../helpers/schema-settings.ts'
import { portOf, startListening } from '../helpers/servers.ts'
import { createSigningKey } from '../helpers/signing-keys.ts'
import { sendToken, startTokenEndpoint } from '../helpers/token-endpoint.ts'

/*
 * Every setting of a credential that `check` accepts has an effect on the wire. The settings are derived from
 * the schema, so that a new one without a probe fails. Routes are in route-settings-effect.test.ts, all other
 * settings in process-settings-effect.test.ts.
 */

const KEYS = { one: createSigningKey('ES256'), other: createSigningKey('ES256') }
const ED_KEY = createSigningKey('EdDSA')
const SECRET = 'a-long-secret-of-32-characters-00'

/** A JWT without the claims that differ between assertions with the same settings. */
function readableJwt(jwt: string): unknown {
  const claims = Object.entries(decodeJwt(jwt)).filter(([name]) => !VOLATILE.has(name))
  return { header: decodeProtectedHeader(jwt), claims, signature: jwt.split('.')[2]?.length }
}

const VOLATILE: ReadonlySet<string> = new Set([
  'jti',
  'iat',
  'exp',
  'host',
  'dpop',
  'content-length',
])

type Lines = Readonly<Record<string, unknown>>

/** What the authorization server receives for a credential, and the result of the request. */
async function wireOf(credential: Lines, response: Lines = {}): Promise<string> {
  const endpoint = await startTokenEndpoint((_request, res) => sendToken(res, response))
  const { status, body } = await callWith(
    JSON.stringify({
      tokenEndpoint: endpoint.url,
      clientId: 'app',
      auth: { method: 'none' },
      ...credential,
    }),
    { ONE: 'secret-one', OTHER: 'secret-other' },
  )
  const received = endpoint.requests.map((request) => {
    const form = [...new URLSearchParams(request.body)].map(([name, value]) => [
      name,
      value.startsWith('eyJ') ? readableJwt(value) : value,
    ])
    const { dpop } = request.headers
    return {
      headers: Object.entries(request.headers).filter(([name]) => !VOLATILE.has(name)),
      form,
      dpop: typeof dpop === 'string' && decodeProtectedHeader(dpop),
    }
  })
  return JSON.stringify({ received, status, body: status === 200 && body }).replaceAll(
    endpoint.url,
    'ENDPOINT',
  )
}

/** Two credentials that differ in one setting only. */
type Probe = { readonly base: Lines; readonly changed: Lines; readonly response?: Lines }

const authProbe = (base: Lines, changed: Lines): Probe => ({
  base: { auth: base },
  changed: { auth: { ...base, ...changed } },
})

const grantProbe = (base: Lines, changed: Lines): Probe => ({
  base: { grant: base },
  changed: { grant: { ...base, ...changed } },
})

async function probes(): Promise<Readonly<Record<string, Probe>>> {
  const one = { file: await fileWith(KEYS.one.text('PKCS#8')) }
  const locked = { file: await fileWith(KEYS.one.text('encrypted PKCS#8')) }
  const ed = { file: await fileWith(ED_KEY.text('PKCS#8')) }
  const first = { file: await fileWith('subject-one') }
  const second = { file: await fileWith('subject-other') }
  const signed = { method: 'private_key_jwt', key: one, algorithm: 'ES256' }
  const bearer = { type: 'jwt_bearer', key: one, algorithm: 'ES256', issuer: 'me' }
  const exchange = { type: 'token_exchange', subjectToken: first }
  return {
    'auth.method': authProbe(
      { method: 'client_secret_post', clientSecret: { env: 'ONE' } },
      { method: 'client_secret_basic' },
    ),
    'auth.clientSecret': authProbe(
      { clientSecret: { env: 'ONE' } },
      { clientSecret: { env: 'OTHER' } },
    ),
    'auth.encoding': authProbe({ clientSecret: { value: 'a b&c' } }, { encoding: 'raw' }),
    'auth.audience': authProbe(signed, { audience: 'urn:example:as' }),
    'auth.header': authProbe(
      { method: 'client_secret_jwt', clientSecret: { value: SECRET } },
      { header: { typ: 'JWT' } },
    ),
    'auth.key': authProbe(
      { ...signed, algorithm: 'EdDSA', key: ed },
      { key: one, algorithm: 'ES256' },
    ),
    'auth.passphrase': authProbe(
      { ...signed, key: one },
      { key: locked, passphrase: { value: 'passphrase-canary-4711' }, keyId: 'k' },
    ),
    'auth.algorithm': authProbe(
      { ...signed, key: ed, algorithm: 'EdDSA' },
      { algorithm: 'Ed25519' },
    ),
    'auth.keyId': authProbe(signed, { keyId: 'k' }),
    'auth.file': authProbe({ method: 'client_assertion_file', ...first }, second),
    'auth.assertionType': authProbe(
      { method: 'client_assertion_file', ...first },
      { assertionType: 'jwt-spiffe' },
    ),
    'grant.type': { base: {}, changed: { grant: exchange } },
    'grant.key': grantProbe(
      { ...bearer, key: ed, algorithm: 'EdDSA' },
      { key: one, algorithm: 'ES256' },
    ),
    'grant.passphrase': grantProbe(bearer, {
      key: locked,
      passphrase: { value: 'passphrase-canary-4711' },
      keyId: 'k',
    }),
    'grant.algorithm': grantProbe(
      { ...bearer, key: ed, algorithm: 'EdDSA' },
      { algorithm: 'Ed25519' },
    ),
    'grant.keyId': grantProbe(bearer, { keyId: 'k' }),
    'grant.issuer': grantProbe(bearer, { issuer: 'other' }),
    'grant.subject': grantProbe(bearer, { subject: 'other' }),
    'grant.audience': grantProbe(bearer, { audience: 'urn:example:as' }),
    'grant.claims': grantProbe(bearer, { claims: { scope: 'a' } }),
    'grant.subjectToken': grantProbe(exchange, { subjectToken: second }),
    'grant.subjectTokenType': grantProbe(exchange, {
      subjectTokenType: 'urn:ietf:params:oauth:token-type:access_token',
    }),
    'grant.requestedTokenType': grantProbe(exchange, {
      requestedTokenType: 'urn:ietf:params:oauth:token-type:jwt',
    }),
    clientId: { base: {}, changed: { clientId: 'other' } },
    scopes: { base: {}, changed: { scopes: ['a'] } },
    audience: { base: {}, changed: { audience: 'a' } },
    resource: { base: {}, changed: { resource: 'https://a.example/' } },
    parameters: { base: {}, changed: { parameters: { a: 'b' } } },
    headers: { base: {}, changed: { headers: { 'X-A': 'b' } } },
    tokenType: { base: {}, changed: { tokenType: 'Other' }, response: { token_type: 'other' } },
    'dpop.algorithm': {
      base: { dpop: { algorithm: 'Ed25519' } },
      changed: { dpop: { algorithm: 'EdDSA' } },
    },
    'dpop.key': { base: { dpop: {} }, changed: { dpop: { key: one } } },
  }
}

/** Settings of timing, prefetch and the server, which do not change the content of a token request. */
const TESTED_ELSEWHERE = [
  'issuer', // discovery.test.ts
  'tokenEndpoint',
  'allowPlaintext',
  'defaultLifetime', // token-responses.test.ts
  'prefetch', // token-lifetime.test.ts
  'share', // token-store.test.ts
  'refresh.jitter',
  'refresh.leeway',
  'timeout', // token-failures.test.ts
  'proxy.password', // token-proxy.test.ts
  'proxy.tls.ca',
  'proxy.url',
  'proxy.username',
  // In this file.
  'proxy',
  'tls.ca',
  'tls.client.certificate',
  'tls.client.key',
  'tls.minVersion',
  'tls.serverName',
]

test('every setting of a credential has a probe', async () => {
  const settings = credentialSettings().filter((setting) => !setting.startsWith('provider.'))
  expect(settings.length).toBeGreaterThan(40)
  expect(settings.toSorted()).toEqual(
    [...Object.keys(await probes()), ...TESTED_ELSEWHERE].toSorted(),
  )
})

test('every setting with a probe changes the token request or how its response is interpreted', async () => {
  for (const [setting, { base, changed, response }] of Object.entries(await probes())) {
    expect([setting, await wireOf(changed, response)]).not.toEqual([
      setting,
      await wireOf(base, response),
    ])
  }
})

const NAMES = [
  'grant_type',
  'scope',
  'client_id',
  'client_secret',
  'client_assertion',
  'client_assertion_type',
  'assertion',
  'subject_token',
  'subject_token_type',
  'requested_token_type',
  'audience',
  'resource',
  'tenant',
] as const
const HEADERS = [
  'Accept',
  'authorization',
  'Content-Type',
  'Content-Length',
  'DPoP',
  'Connection',
  'Expect',
  'Transfer-Encoding',
  'Upgrade',
  'User-Agent',
  'X-Tenant',
  'Accept-Language',
  'Cookie',
  'Host',
] as const

test('a parameter or header that check accepts is sent, with every authentication method and grant', async () => {
  const assertion = await fileWith('an-assertion')
  const subject = await fileWith('a-subject')
  const methods = [
    { method: 'none' },
    { clientSecret: { value: 'secret' } },
    { method: 'client_secret_post', clientSecret: { value: 'secret' } },
    { method: 'client_secret_jwt', clientSecret: { value: SECRET } },
    { method: 'client_assertion_file', file: assertion },
  ]
  const grants = [
    { type: 'client_credentials' },
    { type: 'token_exchange', subjectToken: { file: subject } },
    { type: 'token_exchange', subjectToken: { file: subject }, requestedTokenType: 'a' },
  ]
  let accepted = 0
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...NAMES),
      fc.constantFrom(...HEADERS),
      fc.constantFrom(...methods),
      fc.constantFrom(...grants),
      fc.constantFrom([], ['a']),
      async (name, header, auth, grant, scopes) => {
        const endpoint = await startTokenEndpoint((_request, res) => sendToken(res))
        const given = { tokenEndpoint: endpoint.url, clientId: 'app', auth, grant, scopes }
        for (const more of [
          { parameters: { [name]: 'canary' } },
          { headers: { [header]: 'canary' } },
        ]) {
          const before = endpoint.requests.length
          const call = await callWith(JSON.stringify({ ...given, ...more })).catch(
            (cause: unknown) => String(cause),
          )
          const [request] = endpoint.requests.slice(before)
          const isSent =
            'parameters' in more
              ? new URLSearchParams(request?.body).getAll(name).includes('canary')
              : request?.headers[header.toLowerCase()] === 'canary'
          const isRejected = typeof call === 'string' && /expected a (?:param|head)/.test(call)
          if (isSent) accepted += 1
          expect({ ...more, isSent, isRejected }).toEqual({
            ...more,
            isSent: !isRejected,
            isRejected: !isSent,
          })
        }
      },
    ),
    { numRuns: 80, seed: 26 },
  )
  expect(accepted).toBeGreaterThan(40)
})

type Provider = NonNullable<CredentialConfig['provider']>

test.for<readonly [Provider, Provider]>([
  [
    { name: 'entra', tenant: 'a' },
    { name: 'entra', tenant: 'b' },
  ],
  [
    { name: 'okta', domain: 'a.example', authorizationServer: 'a' },
    { name: 'okta', domain: 'b.example', authorizationServer: 'a' },
  ],
  [
    { name: 'okta', domain: 'a.example', authorizationServer: 'a' },
    { name: 'okta', domain: 'a.example', authorizationServer: 'b' },
  ],
  [
    { name: 'auth0', domain: 'a.example' },
    { name: 'auth0', domain: 'b.example' },
  ],
  [
    { name: 'cognito', domain: 'a.example' },
    { name: 'cognito', domain: 'b.example' },
  ],
  [
    { name: 'keycloak', url: 'https://a.example', realm: 'a' },
    { name: 'keycloak', url: 'https://b.example', realm: 'a' },
  ],
  [
    { name: 'keycloak', url: 'https://a.example', realm: 'a' },
    { name: 'keycloak', url: 'https://a.example', realm: 'b' },
  ],
  [
    { name: 'ping', environment: 'a', region: 'com' },
    { name: 'ping', environment: 'b', region: 'com' },
  ],
  [
    { name: 'ping', environment: 'a', region: 'com' },
    { name: 'ping', environment: 'a', region: 'eu' },
  ],
  [
    { name: 'ebay', sandbox: false },
    { name: 'ebay', sandbox: true },
  ],
  [
    { name: 'shopify', shop: 'a' },
    { name: 'shopify', shop: 'b' },
  ],
])('%j and %j have different token endpoints', ([one, other]) => {
  expect(presetOf({ provider: one }).tokenEndpoint).not.toBe(
    presetOf({ provider: other }).tokenEndpoint,
  )
})

test('a token request uses the configured proxy', async () => {
  const proxy = await startEgressProxy()
  await callWith(
    JSON.stringify({
      tokenEndpoint: 'https://as.invalid/token',
      proxy: proxy.url,
      clientId: 'app',
      auth: { method: 'none' },
    }),
  )
  expect(proxy.targets).toContain('CONNECT as.invalid:443')
})

test('each setting of tls affects the connection to the authorization server', async () => {
  const authority = await createAuthority()
  const { certificate, key } = await authority.issue('as.example', ['as.example'])
  const client = await authority.issue('app', ['app.example'])
  const seen: unknown[] = []
  const server = createTlsServer(
    {
      cert: certificate,
      key,
      ca: authority.certificate,
      requestCert: true,
      rejectUnauthorized: false,
      maxVersion: 'TLSv1.2',
    },
    (req, res) => {
      if (req.socket instanceof TLSSocket) {
        seen.push([req.socket.servername, req.socket.getPeerX509Certificate()?.subject])
      }
      sendToken(res)
    },
  )
  await startListening(server)
  const ca = { file: await fileWith(authority.certificate) }
  const pair = {
    certificate: { file: await fileWith(client.certificate) },
    key: { file: await fileWith(client.key) },
  }
  const statusWith = async (tls: Lines): Promise<number> => {
    const tokenEndpoint = `https://127.0.0.1:${portOf(server)}/token`
    const credential = { tokenEndpoint, clientId: 'app', auth: { method: 'none' }, tls }
    return (await callWith(JSON.stringify(credential))).status
  }
  expect(await statusWith({ ca })).toBe(503)
  expect(await statusWith({ serverName: 'as.example' })).toBe(503)
  expect(await statusWith({ ca, serverName: 'as.example', minVersion: 'TLSv1.3' })).toBe(503)
  expect(seen).toEqual([])
  expect(await statusWith({ ca, serverName: 'as.example' })).toBe(200)
  expect(await statusWith({ ca, serverName: 'as.example', client: pair })).toBe(200)
  expect(seen).toEqual([
    ['as.example', undefined],
    ['as.example', 'CN=app'],
  ])
})

const ENDPOINTS = [
  'https://login.example/token',
  'https://login.example',
  'https://login.example:8443/a/b/',
  'https://login.example/token?a=b',
  'https://login.example/token?a=b&c=%2F&c',
  'https://login.example./token',
  'https://LOGIN.example/token',
  'https://[::1]:8443/token',
  'https://münchen.example/token',
  'https://login.example/to%20ken',
  'https://login.example/to ken',
  'https://login.example/token#a',
  'https://login.example/token?a#b',
  'https://me@login.example/token',
  'https://me:pw@login.example/token',
  String.raw`https:\\login.example\token`,
  'http://127.0.0.1:8080/token',
  'http://127.0.0.1:8080/token?a=b',
  'http://localhost/token',
  'http://as.localhost/token',
  'http://login.example/token',
  'ftp://login.example/token',
  'urn:example:token',
]

test.for(ENDPOINTS)(
  '%s is accepted as configured token endpoint if and only if discovery accepts it',
  async (url) => {
    for (const allowPlaintext of [false, true]) {
      // A plaintext issuer on loopback, because an https issuer cannot name a plaintext endpoint.
      const issuer = 'http://127.0.0.1:8080'
      const metadata = createDiscoveredMetadata({
        issuer,
        client: {
          fetch: async () => await Promise.resolve(Response.json({ issuer, token_endpoint: url })),
        },
        allowPlaintext,
        timeoutMs: 10_000,
        clock: systemClock,
      })
      const discovered = await metadata.get(AbortSignal.timeout(10_000)).then(
        () => true,
        () => false,
      )
      const faults = await faultsOf(
        { credential: { issuer: undefined, tokenEndpoint: url, allowPlaintext } },
        { env: { CORP_SECRET: 's' } },
      )
      expect({ allowPlaintext, works: faults.length === 0 }).toEqual({
        allowPlaintext,
        works: discovered,
      })
    }
  },
)

test('the query of a configured token endpoint is sent', async () => {
  const urls: (string | undefined)[] = []
  const server = await startTokenEndpoint((_request, res) => {
    urls.push(res.req.url)
    sendToken(res)
  })
  await callWith(
    JSON.stringify({
      tokenEndpoint: `${server.url}?a=b&c=%2F`,
      clientId: 'app',
      auth: { method: 'none' },
    }),
  )
  expect(urls).toEqual(['/token?a=b&c=%2F'])
})
