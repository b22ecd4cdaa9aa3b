import * as z from 'zod'
import {
  audience,
  caFile,
  duration,
  httpUrl,
  resource,
  scopes,
  text,
  visibleAscii,
} from './value-schemas.ts'

const clientSecret = z
  .strictObject({
    file: text
      .optional()
      .describe('A file that holds the secret; a line break at its end is ignored.'),
    env: text.optional().describe('The environment variable that holds the secret.'),
    value: text
      .optional()
      .describe('The secret itself. For demonstrations; anything else is warned about.'),
  })
  .refine((secret) => Object.values(secret).filter((given) => given !== undefined).length === 1, {
    error: 'expected exactly one of "file", "env" and "value"',
    when: ({ value }) => typeof value === 'object',
  })
  .meta({ minProperties: 1, maxProperties: 1 })
  .describe('Where the client secret comes from. Files are read anew for each token request.')

const clientAuth = z
  .discriminatedUnion('method', [
    z.strictObject({
      method: z
        .literal('client_secret_basic')
        .optional()
        .describe('In the Authorization header (RFC 6749 section 2.3.1). The default.'),
      clientSecret,
    }),
    z.strictObject({
      method: z
        .literal('client_secret_post')
        .describe('In the request body (RFC 6749 section 2.3.1).'),
      clientSecret,
    }),
  ])
  .describe('How the client proves to the authorization server who it is.')

export const credential = z
  .strictObject({
    issuer: httpUrl('https://login.example.com/realms/corp')
      .optional()
      .describe(
        'The authorization server’s issuer identifier; its token endpoint is discovered (RFC 8414).',
      ),
    tokenEndpoint: httpUrl('https://login.example.com/oauth2/token')
      .optional()
      .describe(
        'The token endpoint itself, for servers without discovery. Either this or `issuer`.',
      ),
    clientId: visibleAscii.describe('The client identifier that the authorization server issued.'),
    auth: clientAuth,
    scopes: scopes.default([]).describe('The scopes to ask for.'),
    audience: audience
      .default([])
      .describe('The `audience` parameter, for servers that know it; one or several.'),
    resource: resource.default([]).describe('The `resource` parameter (RFC 8707); one or several.'),
    parameters: z
      .record(z.string(), z.string())
      .default({})
      .describe('Any further form parameters for the token request.'),
    tls: z
      .strictObject({ ca: caFile.optional() })
      .prefault({})
      .describe('TLS to the authorization server.'),
    timeout: duration
      .prefault('10s')
      .describe('How long one token request may take, discovery included.'),
    refresh: z
      .strictObject({
        leeway: duration
          .prefault('60s')
          .describe('How long before it expires a token is renewed; at most half of its lifetime.'),
        jitter: duration
          .prefault('10s')
          .describe('By up to this much earlier, at random; at most a tenth of the lifetime.'),
      })
      .prefault({})
      .describe('When a token is renewed in the background.'),
    defaultLifetime: duration
      .prefault('5m')
      .describe(
        'The lifetime of a token whose server does not tell it (no `expires_in`, no `exp`).',
      ),
    prefetch: z
      .boolean()
      .default(true)
      .describe('Whether tokens are fetched at start-up, and readiness waits for them.'),
    allowPlaintext: z
      .boolean()
      .default(false)
      .describe(
        'Allow an authorization server at `http:` on another machine. The secret is then readable on the way.',
      ),
  })
  .describe('One client registered at one authorization server.')

export type CredentialConfig = z.output<typeof credential>
export type SecretRef = z.output<typeof clientSecret>
