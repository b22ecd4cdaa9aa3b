import { isIP } from 'node:net'
import * as z from 'zod'
import { isEndpointUrl } from '../lib/endpoint-url.ts'
import { illegalCharacter } from './quotable.ts'
import { settingRoles } from './setting-roles.ts'
import { DURATION_PATTERN, parseDurationMs, parseSizeBytes, SIZE_PATTERN } from './units.ts'

/*
 * Schemas of values that several settings share. An `error` completes the sentence that starts with the key:
 * "routes[0].upstream: expected …".
 */

const DURATION = 'expected a duration such as "500ms", "30s" or "5m"'
const SIZE = 'expected a size such as "512B", "16KiB" or "10MiB"'

/** The maximum of a Node timer: a longer one would fire at once. */
const MAX_DURATION_MS = 2 ** 31 - 1
const MAX_SIZE_BYTES = 2 ** 31 - 1

/** A duration; for some settings, zero means no limit. */
export const duration = z
  .string({ error: DURATION })
  .regex(DURATION_PATTERN, { error: DURATION })
  .transform(parseDurationMs)
  .refine((ms) => ms <= MAX_DURATION_MS, { error: `${DURATION}, of at most 24 days` })

export const positiveDuration = duration.refine((ms) => ms > 0, {
  error: `${DURATION}, longer than 0s`,
})

export const size = z
  .string({ error: SIZE })
  .regex(SIZE_PATTERN, { error: SIZE })
  .transform(parseSizeBytes)
  .refine((bytes) => bytes >= 1 && bytes <= MAX_SIZE_BYTES, { error: `${SIZE}, from 1B to 2GiB` })

export const text = z.string().min(1, { error: 'expected a text that is not empty' })

export function httpUrl(example: string) {
  const error = `expected an http(s) URL without user, query or fragment, such as "${example}"`
  return z.string({ error }).refine(isPlainHttpUrl, { error })
}

/** The URL of an endpoint, which may have a query (RFC 6749 section 3.2). */
export function endpointUrl(example: string) {
  const error = `expected an http(s) URL without user or fragment, such as "${example}"`
  return z.string({ error }).refine(isEndpointUrl, { error })
}

/** A list, or a single value instead of a list of one. */
function oneOrMore(item: z.ZodString) {
  return z.union([item.transform((value) => [value]), z.array(item)])
}

// RFC 6749 appendix A.4: the characters of a scope token; spaces separate tokens.
const scope = z.string().regex(/^[\x21\x23-\x5b\x5d-\x7e]+$/, {
  error: 'expected one scope: no spaces, quotes or backslashes',
})

// RFC 6749 appendix A.1 and A.2: servers reject other characters, with any client authentication method.
export const visibleAscii = z.string().regex(/^[\x20-\x7e]+$/, {
  error: ({ input }) => {
    const illegal = illegalCharacter(String(input), /^[\x20-\x7e]$/)
    return `expected printable ASCII characters${illegal === undefined ? '' : `, and ${illegal}`}`
  },
})

// RFC 8707 section 2.
const resourceUri = z.string().refine((value) => URL.canParse(value) && !value.includes('#'), {
  error: 'expected an absolute URI without a fragment, such as "https://api.example.com/"',
})

// RFC 9110 section 5.1.
export const fieldName = z
  .string()
  .regex(/^[!#$%&'*+\-.^_`|~\dA-Za-z]+$/, { error: 'expected a header name such as "X-Tenant"' })

export const fieldValue = z.string().regex(/^[\t\x20-\x7e\x80-\xff]*$/, {
  error: ({ input }) => {
    const value = String(input)
    if (/[\r\n]/.test(value)) return 'expected a header value without line breaks'
    const illegal = illegalCharacter(value, /^[\t\x20-\x7e\x80-\xff]$/)
    return `expected a header value of visible characters, spaces and tabs, and ${illegal}`
  },
})

const fileRef = z.strictObject({ file: text.describe('A file in PEM form.') })

export const certificateFile = fileRef.clone().register(settingRoles, { reference: 'certificate' })
export const keyFile = fileRef.clone().register(settingRoles, { reference: 'private key' })

const ca = fileRef
  .optional()
  .describe('One or more CA certificates to trust instead of the system’s.')
  .register(settingRoles, { reference: 'certificate' })

/** TLS to a server: trusted certificates, client certificate, server name, version. */
export const certificateAndKey = z.strictObject({
  ca,
  client: z
    .strictObject({
      certificate: fileRef
        .describe('The certificate, with its chain.')
        .register(settingRoles, { reference: 'certificate' }),
      key: fileRef
        .describe('Its private key.')
        .register(settingRoles, { reference: 'private key' }),
    })
    .optional()
    .describe('The client certificate (RFC 8705). Both files are read again when they change.')
    .register(settingRoles, { reference: 'key pair', isIndivisible: true }),
  serverName: z
    .string()
    .regex(/^[\w-]+(?:\.[\w-]+)*$/, { error: 'expected a host name such as "api.example.com"' })
    // RFC 6066 section 3: an address is not a server name.
    .refine((name) => isIP(name) === 0, {
      error: 'expected a host name; an address is verified where "upstream" names it',
    })
    .optional()
    .describe('The name for SNI and certificate verification, if it is not the host of the URL.'),
  minVersion: z
    .enum(['TLSv1.2', 'TLSv1.3'])
    .default('TLSv1.2')
    .describe('The oldest version of TLS to accept.'),
})

/** TLS of a listener: its certificate, and whose certificates its clients must have. */
export const listenerTls = z
  .strictObject({
    cert: fileRef
      .describe('The certificate, with its chain.')
      .register(settingRoles, { reference: 'certificate' }),
    key: fileRef.describe('Its private key.').register(settingRoles, { reference: 'private key' }),
    clientCa: fileRef
      .optional()
      .describe('Serve only clients with a certificate that one of these has issued.')
      .register(settingRoles, { reference: 'certificate' }),
  })
  .describe('TLS, with ALPN for HTTP/2 and HTTP/1.1. The files are read again when they change.')
  .register(settingRoles, { reference: 'key pair', isIndivisible: true })

/** A reference to a secret, so that it is never a literal by accident. */
export const secretRef = z
  .strictObject({
    file: text.optional().describe('A file; a line break at its end is ignored.'),
    env: text.optional().describe('An environment variable.'),
    value: text
      .optional()
      .describe('The secret itself. For demonstrations; anything else is warned about.'),
  })
  .refine((secret) => Object.values(secret).filter((given) => given !== undefined).length === 1, {
    error: 'expected exactly one of "file", "env" and "value"',
    // Other types and unknown keys are reported already.
    when: ({ value, issues }) =>
      typeof value === 'object' &&
      value !== null &&
      !issues.some(({ code }) => code === 'unrecognized_keys'),
  })
  .meta({ minProperties: 1, maxProperties: 1 })

export type SecretRef = z.output<typeof secretRef>

/** What a token is requested for. */
export const scopes = z.array(scope)
export const audience = oneOrMore(text)
export const resource = oneOrMore(resourceUri)

export function isAbsoluteUri(value: string): boolean {
  return URL.canParse(value) && !/[\s\\#]/.test(value)
}

function isPlainHttpUrl(value: string): boolean {
  return isEndpointUrl(value) && !value.includes('?')
}
