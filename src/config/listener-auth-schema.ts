import * as z from 'zod'
import { settingRoles } from './setting-roles.ts'
import { secretRef, text } from './value-schemas.ts'

const USERNAME = 'expected a user name of printable ASCII characters without ":"'

const user = z.strictObject({
  username: z
    .string()
    // RFC 7617 section 2: the first colon ends the user name.
    .regex(/^[\x21-\x39\x3b-\x7e](?:[\x20-\x39\x3b-\x7e]*[\x21-\x39\x3b-\x7e])?$/, {
      error: USERNAME,
    })
    .describe('The user name. Two entries may have the same one, while its password is changed.')
    // A password may be part of it by mistake.
    .register(settingRoles, { visibility: 'private' }),
  password: secretRef
    .describe('The password. A file is read again when it changes.')
    .register(settingRoles, { reference: 'secret', isIndivisible: true }),
})

const clientCertificates = z
  .strictObject({
    commonNames: z
      .array(text)
      .default([])
      .describe('Common names (CN) of the subject; other parts of the subject are ignored.'),
    dnsNames: z
      .array(
        z.string().regex(/^[\w-]+(?:\.[\w-]+)*$/, {
          error: 'expected a DNS name without a wildcard, such as "billing.internal"',
        }),
      )
      .default([])
      .describe('DNS names of the subject alternative name.'),
    uris: z
      .array(
        z.string().refine((value) => URL.canParse(value), {
          error: 'expected a URI such as "spiffe://corp.example/billing"',
        }),
      )
      .default([])
      .describe('URIs of the subject alternative name, such as SPIFFE IDs.'),
  })
  .refine(
    ({ commonNames, dnsNames, uris }) => commonNames.length + dnsNames.length + uris.length > 0,
    { error: 'expected at least one of "commonNames", "dnsNames" and "uris"' },
  )

/** Which callers a listener serves. */
export const listenerAuth = z
  .strictObject({
    basic: z
      .array(user)
      .min(1, { error: 'expected at least one user' })
      .optional()
      .describe(
        'Serve only requests with the user name and password of one of these in `Proxy-Authorization` (RFC 7617).',
      ),
    clientCertificates: clientCertificates
      .optional()
      .describe(
        'Serve only connections whose client certificate has one of these names; `tls.clientCa` says who may issue it.',
      ),
  })
  .refine(({ basic, clientCertificates: names }) => basic !== undefined || names !== undefined, {
    error: 'expected "basic", "clientCertificates" or both',
  })
  .meta({ minProperties: 1 })
  .describe('Which callers are served. With both, a caller must satisfy both.')
