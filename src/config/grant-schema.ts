import * as z from 'zod'
import { assertionAudience, signingKey } from './assertion-schema.ts'
import { settingRoles } from './setting-roles.ts'
import { secretRef, text } from './value-schemas.ts'

const jwtClaims = z
  .record(
    text,
    z.union([z.string(), z.number(), z.boolean()], {
      error: 'expected a string, a number, true or false',
    }),
  )
  .default({})
  .describe('Further claims of the assertion, such as `scope` for Google.')

export const grant = z
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

export type GrantConfig = z.output<typeof grant>
