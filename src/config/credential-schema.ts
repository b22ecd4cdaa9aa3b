import * as z from 'zod'
import { mayMeanBearer } from '../lib/token-type.ts'
import { proxySetting } from './proxy-schema.ts'
import { clientAuth } from './client-auth-schema.ts'
import { grant } from './grant-schema.ts'
import { provider } from './provider-schema.ts'
import { settingRoles } from './setting-roles.ts'
import {
  audience,
  certificateAndKey,
  duration,
  endpointUrl,
  fieldName,
  fieldValue,
  httpUrl,
  positiveDuration,
  resource,
  scopes,
  secretRef,
  visibleAscii,
} from './value-schemas.ts'

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
    proxy: proxySetting.describe(
      'The proxy for requests to the authorization server, written like `proxy` of a route; `NO_PROXY` is honoured.',
    ),
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
    share: z
      .boolean()
      .default(true)
      .describe('Whether its tokens are shared with other sidecars in the `tokenStore`.'),
    allowPlaintext: z
      .boolean()
      .default(false)
      .describe(
        'Allow an authorization server on another machine without TLS (`http:`). The secret is then sent unencrypted.',
      ),
  })
  .describe('An OAuth client at one authorization server.')

export type CredentialConfig = z.output<typeof credential>
