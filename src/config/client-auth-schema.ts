import * as z from 'zod'
import { assertionAudience, signingKey } from './assertion-schema.ts'
import { settingRoles } from './setting-roles.ts'
import { isAbsoluteUri, secretRef, text } from './value-schemas.ts'

const clientSecret = secretRef
  .describe('The client secret. A file is read again for each token request.')
  .register(settingRoles, { reference: 'secret', isIndivisible: true })

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

export const clientAuth = z
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

export type ClientAuthConfig = z.output<typeof clientAuth>
