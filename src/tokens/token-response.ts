import { mayMeanBearer } from '../lib/token-type.ts'
import { knownOAuthError } from './oauth-error.ts'

/*
 * Parses the body of a token response (RFC 6749 section 5). The token endpoint is trusted and users cannot
 * correct it, so anything unambiguous is accepted, even if it does not conform to the RFC.
 */

export type ResponseFields = Readonly<Record<string, unknown>>

/** The fields of a body; undefined if it is neither a JSON object nor a form. */
export function parseFields(text: string, contentType: string): ResponseFields | undefined {
  try {
    // Valid JSON has no unescaped control character but white space, for which a space does as well.
    const value: unknown = JSON.parse(text.replaceAll(/[^\x20-\u{10FFFF}]/gu, ' ').trim())
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined
    return { ...value }
  } catch {
    return parseForm(text.trim(), contentType)
  }
}

/** Servers used forms before RFC 6749 required JSON, and some still do, with this or another media type. */
function parseForm(text: string, contentType: string): ResponseFields | undefined {
  if (/\bjson\b/i.test(contentType)) return undefined
  const isForm = /^(?:application\/x-www-form-urlencoded|text\/plain)\b/i.test(contentType)
  // With any other media type, a form has to be recognizable: a page may contain a link with such fields.
  if (!isForm && !/^[\w.*+%~:/=&-]+$/.test(text)) return undefined
  const form = new URLSearchParams(text)
  return form.has('access_token') || form.has('error') ? Object.fromEntries(form) : undefined
}

export function accessTokenOf(fields: ResponseFields | undefined): string | undefined {
  const token = fields?.['access_token']
  return typeof token === 'string' && token !== '' ? token : undefined
}

/** The error code, which may be of any type; undefined if there is none. */
export function errorOf(fields: ResponseFields | undefined): unknown {
  const error = fields?.['error']
  return error === null || error === '' || error === false ? undefined : error
}

/**
 * The server's own explanation of an error: `error_description` (RFC 6749 section 5.2) or its equivalent in
 * several products, after an error code that is not registered.
 */
export function serverTextOf(fields: ResponseFields | undefined): string {
  const error = errorOf(fields)
  const nested = typeof error === 'object' && error !== null ? { ...error } : {}
  const texts = [
    ...TEXT_FIELDS.map((name) => fields?.[name]),
    'message' in nested && nested.message,
  ]
  const text = texts.find((candidate) => typeof candidate === 'string' && candidate !== '')
  const code = typeof error === 'string' && knownOAuthError(error) === undefined ? error : undefined
  return [code, text].filter((part) => typeof part === 'string').join(': ')
}

/** Those of the RFC, Apigee, Okta, Spring and problem details (RFC 9457). */
const TEXT_FIELDS = ['error_description', 'Error', 'errorSummary', 'message', 'detail', 'title']

/**
 * `expires_in` in seconds, from any numeric spelling; undefined if there is none. Some servers send zero or a
 * negative number for an unknown or unlimited lifetime.
 */
export function lifetimeSecondsOf({ expires_in: value }: ResponseFields): number | undefined {
  const text = typeof value === 'string' ? value.trim().replace(/\s*s(?:ec(?:ond)?s?)?$/i, '') : ''
  const seconds = typeof value === 'number' ? value : text === '' ? 0 : Number(text)
  return seconds > 0 ? seconds : undefined
}

/** The granted scopes; undefined if there are none, or if `scope` has an unexpected type. */
export function grantedScopesOf({ scope }: ResponseFields): readonly string[] | undefined {
  const texts = Array.isArray(scope) ? scope : [scope]
  if (!texts.every((text) => typeof text === 'string')) return undefined
  const scopes = texts.flatMap((text) => text.split(/\s+/)).filter((word) => word !== '')
  return scopes.length === 0 ? undefined : scopes
}

/** Why a token cannot be sent in a header field; undefined if it can (RFC 6749 appendix A.12). */
export function tokenFault(token: string): string | undefined {
  const position = token.search(/[^\x21-\x7e]/)
  if (position === -1) return undefined
  const character = token.charAt(position)
  const kind =
    character === ' '
      ? 'a space'
      : character > '\x7e' && character !== '\x7f'
        ? 'a character that is not ASCII'
        : 'a control character'
  return `its access_token has ${kind} at position ${position + 1}, which cannot be sent in a header field`
}

/** How the token is sent to the API. */
type TokenUse = { readonly use: 'bearer' | 'dpop' } | { readonly fault: string }

export type ExpectedTypes = {
  /** Whether the token request had a DPoP proof. */
  readonly hasDpop: boolean
  /** The configured `token_type` of bearer tokens; it also permits responses without one. */
  readonly tokenType: string | undefined
  /** Whether a text from the server may appear in a message: it must not be a secret. */
  readonly isRepeatable: (text: string) => boolean
}

/** How `token_type` says to use the token (RFC 6749 section 7.1). */
export function tokenUseOf(
  { token_type: value }: ResponseFields,
  { hasDpop, tokenType, isRepeatable }: ExpectedTypes,
): TokenUse {
  if (value === undefined || value === null || value === '') {
    return tokenType === undefined
      ? {
          fault: 'it has no token_type; if its tokens are bearer tokens, set "tokenType: Bearer"',
        }
      : { use: 'bearer' }
  }
  const type = typeof value === 'string' ? value.trim() : undefined
  const name = type?.toLowerCase()
  if (name === 'bearer' || (name !== undefined && name === tokenType?.toLowerCase())) {
    return { use: 'bearer' }
  }
  if (name === 'dpop') {
    return hasDpop
      ? { use: 'dpop' }
      : { fault: 'its token_type is "DPoP", and the credential has no "dpop"' }
  }
  if (type === undefined || !SHORT_WORDS.test(type) || !isRepeatable(type)) {
    return { fault: 'its token_type is unknown (see "tokenType")' }
  }
  const hint = mayMeanBearer(type)
    ? `; if its tokens are bearer tokens, set "tokenType: ${type}"`
    : ', which cannot be sent as a bearer token (see "tokenType")'
  return { fault: `its token_type is "${type}"${hint}` }
}

/** Not long enough for a token, and without control characters. */
const SHORT_WORDS = /^(?=.{1,40}$)[A-Za-z][\w.:/-]*(?: [\w.:/-]+)*$/
