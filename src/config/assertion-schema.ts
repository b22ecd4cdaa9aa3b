import * as z from 'zod'
import { settingRoles } from './setting-roles.ts'
import { isAbsoluteUri, secretRef, text } from './value-schemas.ts'

/** What client authentication by an assertion and the JWT bearer grant have in common. */
export const signingKey = {
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

export const assertionAudience = z
  .string({ error: AUDIENCE })
  .refine((value) => value === 'issuer' || value === 'tokenEndpoint' || isAbsoluteUri(value), {
    error: AUDIENCE,
  })
  .optional()
  .describe('The `aud` of the assertion: `issuer` (the default), `tokenEndpoint`, or another URI.')
