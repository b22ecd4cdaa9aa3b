import * as z from 'zod'
import { optionalFlag, optionalText, present } from './finding.ts'
import { proxyOutline } from './proxy-checks.ts'

const secretOutline = z.object({ value: optionalText }).optional().catch(undefined)

const record = z.record(z.string(), z.unknown()).catch({})

export const credentialOutline = z.object({
  provider: present,
  issuer: present,
  tokenEndpoint: present,
  clientId: present,
  allowPlaintext: optionalFlag,
  audience: present,
  resource: present,
  scopes: present,
  parameters: record,
  headers: record,
  auth: z
    .object({
      method: optionalText,
      header: record,
      keyId: present,
      audience: present,
      clientSecret: secretOutline,
      key: secretOutline,
      passphrase: secretOutline,
    })
    .optional()
    .catch(undefined),
  grant: z
    .object({
      type: optionalText,
      issuer: present,
      audience: present,
      claims: record,
      requestedTokenType: present,
      key: secretOutline,
      passphrase: secretOutline,
      subjectToken: secretOutline,
    })
    .optional()
    .catch(undefined),
  dpop: z.object({ key: secretOutline }).optional().catch(undefined),
  tls: z.object({ client: present }).optional().catch(undefined),
  proxy: proxyOutline,
})

export const providerOutline = z.object({ name: optionalText, url: optionalText })

export type CredentialOutline = z.output<typeof credentialOutline>
