import * as z from 'zod'
import { mayMeanBearer } from '../lib/token-type.ts'
import { settingRoles } from './setting-roles.ts'
import {
  audience,
  certificateAndKey,
  duration,
  endpointUrl,
  fieldName,
  fieldValue,
  httpUrl,
  isAbsoluteUri,
  positiveDuration,
  resource,
  scopes,
  secretRef,
  text,
  visibleAscii,
} from './value-schemas.ts'

const clientSecret = secretRef
  .describe('The client secret. A file is read again for each token request.')
  .register(settingRoles, { reference: 'secret', isIndivisible: true })

const signingKey = {
  key: secretRef
    .describe('The private key: PEM (PKCS#8, also encrypted; PKCS#1; SEC 1) or JWK.')
    .register(settingRoles, { reference: 'signing key', isIndivisible: true }),
  passphrase: secretRef
    .optional()
    .describe('The passphrase of an encrypted key.')
    .register(settingRoles, { reference: 'secret', isIndivisible: true }),
  algorithm: z
    .enum(['RS256', 'PS256', 'ES256', 'EdDSA', 'Ed25519'])
    .default('RS256')
    .describe('The signature algorithm, which must match the key.')
    .register(settingRoles, { visibility: 'public' }),
  keyId: text.optional().describe('The `kid` of the assertion’s header.'),
}

const AUDIENCE = 'expected "issuer", "tokenEndpoint" or an absolute URI'

const assertionAudience = z
  .string({ error: AUDIENCE })
  .refine((value) => value === 'issuer' || value === 'tokenEndpoint' || isAbsoluteUri(value), {
    error: AUDIENCE,
  })
  .optional()
  .describe('The `aud` of the assertion: `issuer` (the default), `tokenEndpoint`, or another URI.')

const assertionHeader = z
  .record(text, text)
  .default({})
  .describe(
    'Further header parameters of the assertion, such as `x5t#S256`, or another `typ` than `client-authentication+jwt`.',
  )

const assertionType = z
  .string()
  .refine((value) => /^[a-z\d]+(?:-[a-z\d]+)*$/.test(value) || isAbsoluteUri(value), {
    error: 'expected an absolute URI, or a name such as "jwt-bearer" or "jwt-spiffe"',
  })

const clientAuth = z
  .discriminatedUnion('method', [
    z.strictObject({
      method: z
        .literal('client_secret_basic')
        .optional()
        .describe('The secret in the Authorization header (RFC 6749 section 2.3.1). The default.'),
      clientSecret,
      encoding: z
        .enum(['form', 'raw'])
        .default('form')
        .describe(
          '`raw` omits the form encoding that RFC 6749 section 2.3.1 requires, for servers that do not support it.',
        ),
    }),
    z.strictObject({
      method: z
        .literal('client_secret_post')
        .describe('The secret in the request body (RFC 6749 section 2.3.1).'),
      clientSecret,
    }),
    z.strictObject({
      method: z
        .literal('client_secret_jwt')
        .describe('An assertion, authenticated with the secret by HS256 (RFC 7523 section 2.2).'),
      clientSecret,
      audience: assertionAudience,
      header: assertionHeader,
    }),
    z.strictObject({
      method: z
        .literal('private_key_jwt')
        .describe('An assertion, signed with a private key (RFC 7523 section 2.2).'),
      ...signingKey,
      audience: assertionAudience,
      header: assertionHeader,
    }),
    z.strictObject({
      method: z
        .literal('tls_client_auth')
        .describe('The certificate in `tls.client`, by its subject (RFC 8705 section 2.1).'),
    }),
    z.strictObject({
      method: z
        .literal('self_signed_tls_client_auth')
        .describe('The certificate in `tls.client`, as registered (RFC 8705 section 2.2).'),
    }),
    z.strictObject({
      method: z
        .literal('client_assertion_file')
        .describe(
          'An assertion that another program writes and rotates, such as a projected service account token.',
        ),
      file: text
        .describe('The file that holds the JWT; read again for each token request.')
        .register(settingRoles, { reference: 'file' }),
      assertionType: assertionType
        .default('jwt-bearer')
        .describe(
          'The `client_assertion_type` (RFC 7521 section 4.2): a URI, or the end of a registered one, such as `jwt-spiffe`.',
        ),
    }),
    z.strictObject({
      method: z
        .literal('none')
        .describe(
          'No client authentication: a public client, or a grant that identifies the client.',
        ),
    }),
  ])
  .describe('Client authentication.')
  .register(settingRoles, { visibility: 'private' })

const jwtClaims = z
  .record(
    text,
    z.union([z.string(), z.number(), z.boolean()], {
      error: 'expected a string, a number, true or false',
    }),
  )
  .default({})
  .describe('Further claims of the assertion, such as `scope` for Google.')

const grant = z
  .discriminatedUnion('type', [
    z.strictObject({
      type: z.literal('client_credentials').describe('RFC 6749 section 4.4. The default.'),
    }),
    z.strictObject({
      type: z
        .literal('jwt_bearer')
        .describe(
          'A signed assertion as the grant itself (RFC 7523 section 2.1), as Google’s service accounts use it.',
        ),
      ...signingKey,
      issuer: text.optional().describe('The `iss` claim; the client identifier if left out.'),
      subject: text.optional().describe('The `sub` claim; as `issuer` if left out.'),
      audience: assertionAudience
        .unwrap()
        .default('tokenEndpoint')
        .describe('The `aud` claim: `tokenEndpoint` (the default), `issuer`, or another URI.'),
      claims: jwtClaims,
    }),
    z.strictObject({
      type: z.literal('token_exchange').describe('Token exchange (RFC 8693).'),
      subjectToken: secretRef
        .describe('The subject token; a file is read again for each token request.')
        .register(settingRoles, { reference: 'token', isIndivisible: true }),
      subjectTokenType: text
        .default('urn:ietf:params:oauth:token-type:jwt')
        .describe('The type of the subject token (RFC 8693 section 3).'),
      requestedTokenType: text.optional().describe('The type of the requested token.'),
    }),
  ])
  .default({ type: 'client_credentials' })
  .describe('The grant type of token requests.')
  .register(settingRoles, { visibility: 'private' })

const hostName = z.string().regex(/^[\w-]+(?:\.[\w-]+)+$/, {
  error: 'expected a host name such as "example.okta.com"',
})

const provider = z
  .discriminatedUnion('name', [
    z.strictObject({
      name: z.literal('entra').describe('Microsoft Entra ID.'),
      tenant: text.optional().describe('The directory: its identifier or one of its domains.'),
    }),
    z.strictObject({
      name: z.literal('okta').describe('Okta, with a custom authorization server.'),
      domain: hostName.optional().describe('Such as `example.okta.com`.'),
      authorizationServer: text
        .default('default')
        .describe('The authorization server’s identifier.'),
    }),
    z.strictObject({
      name: z.literal('auth0').describe('Auth0; requires an `audience`.'),
      domain: hostName.optional().describe('Such as `example.eu.auth0.com`.'),
    }),
    z.strictObject({
      name: z.literal('cognito').describe('Amazon Cognito user pools.'),
      domain: hostName
        .optional()
        .describe('Such as `example.auth.eu-central-1.amazoncognito.com`.'),
    }),
    z.strictObject({
      name: z.literal('keycloak').describe('Keycloak.'),
      url: httpUrl('https://keycloak.example.com')
        .optional()
        .describe('The server, with its path if it has one.'),
      realm: text.optional().describe('The realm.'),
    }),
    z.strictObject({
      name: z.literal('ping').describe('PingOne.'),
      environment: text.optional().describe('The environment’s identifier.'),
      region: z
        .enum(['com', 'eu', 'ca', 'asia', 'com.au', 'sg'])
        .default('com')
        .describe('The top-level domain of the region.'),
    }),
    z.strictObject({
      name: z
        .literal('google')
        .describe('Google service accounts; requires the grant `jwt_bearer`.'),
    }),
    z.strictObject({
      name: z.literal('ebay').describe('eBay; its token type is “Application Access Token”.'),
      sandbox: z.boolean().default(false).describe('The sandbox instead of production.'),
    }),
    z.strictObject({
      name: z.literal('shopify').describe('Shopify; its token responses have no type.'),
      shop: z
        .string()
        .regex(/^[A-Za-z\d][A-Za-z\d-]*$/, {
          error: 'expected the name of a shop, without ".myshopify.com"',
        })
        .optional()
        .describe('The shop: `example` for `example.myshopify.com`.'),
    }),
    z.strictObject({
      name: z.literal('linkedin').describe('LinkedIn; its token responses have no type.'),
    }),
    z.strictObject({
      name: z
        .literal('apigee')
        .describe('Apigee; its token type is “BearerToken”. Requires `tokenEndpoint`.'),
    }),
  ])
  .describe('A preset for a product: see docs/providers.md.')

const dpop = z
  .strictObject({
    algorithm: z
      .enum(['ES256', 'Ed25519', 'EdDSA', 'RS256', 'PS256'])
      .default('ES256')
      .describe(
        'The algorithm of the proofs; `Ed25519` and `EdDSA` are names of the same one, of which a server may accept only one.',
      )
      .register(settingRoles, { visibility: 'public' }),
    key: secretRef
      .optional()
      .describe('The private key (PEM or JWK); generated at start if left out.')
      .register(settingRoles, { reference: 'signing key', isIndivisible: true }),
  })
  .describe('Sender-constrained tokens by DPoP (RFC 9449).')
  .register(settingRoles, { visibility: 'private' })

const tokenType = z
  .string()
  .regex(/^[\x21-\x7e]+(?: [\x21-\x7e]+)*$/, {
    error: 'expected a type such as "Bearer" or "BearerToken"',
  })
  .refine(mayMeanBearer, {
    error: 'expected a type of bearer tokens, which this one is not (for DPoP, set "dpop")',
  })

export const credential = z
  .strictObject({
    provider: provider.optional(),
    issuer: httpUrl('https://login.example.com/realms/corp')
      .optional()
      .describe(
        'The authorization server’s issuer identifier; its token endpoint is discovered (RFC 8414).',
      ),
    tokenEndpoint: endpointUrl('https://login.example.com/oauth2/token')
      .optional()
      .describe('The token endpoint, for servers without discovery. It may have a query.'),
    clientId: visibleAscii
      .optional()
      .describe('The client identifier that the authorization server issued.'),
    auth: clientAuth,
    grant,
    scopes: scopes.default([]).describe('The requested scopes.'),
    audience: audience
      .default([])
      .describe('The `audience` parameter, for servers that support it; one or several.'),
    resource: resource.default([]).describe('The `resource` parameter (RFC 8707); one or several.'),
    parameters: z
      .record(z.string(), z.string())
      .default({})
      .describe('Further parameters of the token request.')
      .register(settingRoles, { visibility: 'private' }),
    headers: z
      .record(fieldName, fieldValue)
      .default({})
      .describe('Further headers of the token request.')
      .register(settingRoles, { visibility: 'private' }),
    dpop: dpop.optional(),
    tokenType: tokenType
      .optional()
      .describe(
        'The `token_type` of the server for bearer tokens, if it is not `Bearer`; `Bearer` also accepts responses without one.',
      ),
    tls: certificateAndKey.prefault({}).describe('TLS to the authorization server.'),
    proxy: httpUrl('http://proxy.example.com:3128')
      .optional()
      .describe('The HTTP proxy for requests to the authorization server; `NO_PROXY` is honoured.'),
    timeout: positiveDuration
      .prefault('10s')
      .describe('How long one token request may take, discovery included.'),
    refresh: z
      .strictObject({
        leeway: duration
          .prefault('60s')
          .describe(
            'The refresh window: how long before its expiry a token is renewed; at most half of its lifetime.',
          ),
        jitter: duration
          .prefault('10s')
          .describe(
            'A random time by which a token is renewed even earlier; at most a tenth of its lifetime.',
          ),
      })
      .prefault({})
      .describe('When a token is renewed in the background.'),
    defaultLifetime: positiveDuration
      .prefault('5m')
      .describe(
        'The lifetime of a token if the server does not report one (no `expires_in`, no `exp`).',
      ),
    prefetch: z
      .boolean()
      .default(true)
      .describe('Whether tokens are fetched at start-up, and readiness waits for them.'),
    allowPlaintext: z
      .boolean()
      .default(false)
      .describe(
        'Allow an authorization server on another machine without TLS (`http:`). The secret is then sent unencrypted.',
      ),
  })
  .describe('An OAuth client at one authorization server.')

export type CredentialConfig = z.output<typeof credential>
export type ClientAuthConfig = z.output<typeof clientAuth>
export type GrantConfig = z.output<typeof grant>
