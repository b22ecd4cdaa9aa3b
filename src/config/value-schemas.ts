import * as z from 'zod'
import { DURATION_PATTERN, parseDurationMs, parseSizeBytes, SIZE_PATTERN } from './units.ts'

/*
 * The kinds of values that a configuration file is made of. An `error` completes the sentence that
 * starts with the key: "routes[0].upstream: expected …".
 */

export const duration = z
  .string({ error: 'expected a duration such as "500ms", "30s" or "5m"' })
  .regex(DURATION_PATTERN, { error: 'expected a duration such as "500ms", "30s" or "5m"' })
  .transform(parseDurationMs)

export const size = z
  .string({ error: 'expected a size such as "512B", "16KiB" or "10MiB"' })
  .regex(SIZE_PATTERN, { error: 'expected a size such as "512B", "16KiB" or "10MiB"' })
  .transform(parseSizeBytes)

export const text = z.string().min(1, { error: 'expected some text' })

export function httpUrl(example: string) {
  const error = `expected an http(s) URL without user, query or fragment, such as "${example}"`
  return z.string({ error }).refine(isPlainHttpUrl, { error })
}

/** A list for which the file may also have a single value. */
function oneOrMore(item: z.ZodString) {
  return z.union([item.transform((value) => [value]), z.array(item)])
}

// RFC 6749 appendix A.4: what a scope may be made of; a space would make it two.
const scope = z.string().regex(/^[\x21\x23-\x5b\x5d-\x7e]+$/, {
  error: 'expected one scope: no spaces, quotes or backslashes',
})

// RFC 6749 appendix A.1 and A.2: servers refuse anything outside of it, with any client method.
export const visibleAscii = z
  .string()
  .regex(/^[\x20-\x7e]+$/, { error: 'expected printable ASCII characters' })

// RFC 8707 section 2.
const resourceUri = z
  .string()
  .refine((value) => URL.canParse(value) && !value.includes('#'), {
    error: 'expected an absolute URI without a fragment, such as "https://api.example.com/"',
  })

// RFC 9110 section 5.1.
export const fieldName = z
  .string()
  .regex(/^[!#$%&'*+\-.^_`|~\dA-Za-z]+$/, { error: 'expected a header name such as "X-Tenant"' })

export const fieldValue = z
  .string()
  .regex(/^[\t\x20-\x7e\x80-\xff]*$/, { error: 'expected a header value without line breaks' })

export const caFile = z
  .strictObject({
    file: text.describe('A PEM file with one or more certificates.'),
  })
  .describe('Certificates to trust instead of the system’s.')

/** What a token is asked to be good for. */
export const scopes = z.array(scope)
export const audience = oneOrMore(text)
export const resource = oneOrMore(resourceUri)

function isPlainHttpUrl(value: string): boolean {
  const url = URL.parse(value)
  return (
    url !== null &&
    (url.protocol === 'http:' || url.protocol === 'https:') &&
    url.username === '' &&
    url.password === '' &&
    url.search === '' &&
    url.hash === '' &&
    !/[\s\\?#]/.test(value)
  )
}
