import { SidecarError, toSidecarError } from '../errors.ts'
import { escapeControls } from '../lib/escape-controls.ts'
import type { AccessToken } from '../tokens/access-token.ts'
import { jwtClaims } from '../tokens/jwt-claims.ts'
import { oauthErrorAdvice } from '../tokens/oauth-error.ts'
import { compareScopes } from '../tokens/scopes.ts'

/** The claims that are shown, in this order. */
const CLAIMS = [
  'iss',
  'aud',
  'sub',
  'client_id',
  'azp',
  'scope',
  'scp',
  'roles',
  'cnf',
  'exp',
] as const

/** The properties of a token, without the token itself. */
export type TokenFacts = {
  readonly type: 'Bearer' | 'DPoP'
  readonly lifetimeSeconds: number
  readonly expiresAt: string
  readonly requested: readonly string[]
  /** The granted scopes as the server reports them; null if it does not. */
  readonly granted: string | null
  /** Requested scopes that were not granted. */
  readonly missing: readonly string[]
  /** The claims that are shown; null for an opaque token. */
  readonly claims: Readonly<Record<string, unknown>> | null
}

export function tokenFacts(token: AccessToken): TokenFacts {
  const claims = jwtClaims(token.value.reveal())
  return {
    type: token.dpop === undefined ? 'Bearer' : 'DPoP',
    lifetimeSeconds: Math.round(token.lifetimeMs / 1000),
    expiresAt: new Date(
      Math.min(token.obtainedAt.wallMs + token.lifetimeMs, LAST_DATE_MS),
    ).toISOString(),
    requested: token.requestedScopes ?? [],
    granted: token.scope ?? null,
    missing: compareScopes(token.requestedScopes ?? [], token.scope).missing,
    claims:
      claims === undefined
        ? null
        : Object.fromEntries(
            CLAIMS.filter((name) => claims[name] !== undefined).map((name) => [name, claims[name]]),
          ),
  }
}

/** The same as lines of text. */
export function describeToken(token: AccessToken): [string, string][] {
  const { type, lifetimeSeconds, expiresAt, requested, granted, missing, claims } =
    tokenFacts(token)
  const { unreported } = compareScopes(requested, granted ?? undefined)
  return [
    ['type', type],
    ['lifetime', `${lifetimeSeconds} s, until ${expiresAt}`],
    ...(granted === null ? [] : [pair('granted', granted)]),
    ...(missing.length === 0
      ? []
      : [pair('missing', `${missing.join(' ')} (requested but not granted)`)]),
    ...(unreported
      ? [pair('granted', `not reported by the server (requested: ${requested.join(' ')})`)]
      : []),
    ...(claims === null
      ? [pair('claims', 'none: the token is opaque')]
      : Object.entries(claims).map(([name, value]) => pair(name, claimText(name, value)))),
  ]
}

/** Why there is no token, and what to do about it. */
export type TokenFailure = {
  readonly code: string
  readonly message: string
  readonly advice: string | null
}

export function tokenFailure(cause: unknown): TokenFailure {
  const { code, message, oauthError, advice } = toSidecarError(cause)
  return { code, message, advice: advice ?? oauthErrorAdvice(oauthError) ?? null }
}

/** The same as lines of text, with the error description of the authorization server. */
export function describeTokenFailure(cause: unknown): [string, string][] {
  if (!(cause instanceof SidecarError)) return [['failed', 'an unexpected error']]
  const { code, message, advice } = tokenFailure(cause)
  const { serverText } = cause
  return [
    pair('failed', `${code}: ${message}`),
    ...(serverText === undefined ? [] : [pair('server', serverText)]),
    ...(advice === null ? [] : [pair('advice', advice)]),
  ]
}

/** Text from a server must not contain terminal control sequences. */
function pair(name: string, value: string): [string, string] {
  return [name, escapeControls(value)]
}

/** The latest date of ECMAScript. */
const LAST_DATE_MS = 8.64e15

function claimText(name: string, value: unknown): string {
  if (name !== 'exp' || typeof value !== 'number') return textOf(value)
  return Math.abs(value * 1000) <= LAST_DATE_MS
    ? new Date(value * 1000).toISOString()
    : `${value} (not a date)`
}

function textOf(value: unknown): string {
  if (typeof value === 'string') return value
  return Array.isArray(value) && value.every((item) => typeof item === 'string')
    ? value.join(' ')
    : JSON.stringify(value)
}
