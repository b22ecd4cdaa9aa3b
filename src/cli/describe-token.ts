import { decodeJwt } from 'jose'
import { SidecarError } from '../errors.ts'
import type { AccessToken } from '../tokens/access-token.ts'
import { oauthErrorAdvice } from '../tokens/oauth-error.ts'

/** The claims worth a line, in the order of the questions that people have. */
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

/** What a token is good for, for a person; never the token. */
export function describeToken(token: AccessToken): [string, string][] {
  const expiresAt = new Date(token.obtainedAt.wallMs + token.lifetimeMs)
  const lines: [string, string][] = [
    ['type', token.dpop === undefined ? 'Bearer' : 'DPoP'],
    ['lifetime', `${Math.round(token.lifetimeMs / 1000)} s, until ${expiresAt.toISOString()}`],
  ]
  if (token.scope !== undefined) lines.push(['granted', withoutControls(token.scope)])
  const claims = claimsOf(token)
  if (claims === undefined) return [...lines, ['claims', 'none to show: the token is opaque']]
  for (const name of CLAIMS) {
    const value = claims[name]
    if (value === undefined) continue
    const text =
      name === 'exp' && typeof value === 'number'
        ? new Date(value * 1000).toISOString()
        : wordsOf(value)
    lines.push([name, text])
  }
  return lines
}

/** Why there is none, and what to do about it. */
export function describeTokenFailure(cause: unknown): [string, string][] {
  if (!(cause instanceof SidecarError)) return [['failed', 'an unexpected error']]
  const advice = oauthErrorAdvice(cause.oauthError)
  const lines: [string, string][] = [['failed', `${cause.code}: ${cause.message}`]]
  if (advice !== undefined) lines.push(['advice', advice])
  return lines
}

/** Name and value in two columns, indented. */
export function formatLines(lines: readonly (readonly [string, string])[]): string {
  return lines.map(([name, value]) => `  ${name.padEnd(10)}  ${value}\n`).join('')
}

function claimsOf(token: AccessToken): Readonly<Record<string, unknown>> | undefined {
  try {
    return decodeJwt(token.value.reveal())
  } catch {
    return undefined
  }
}

function wordsOf(value: unknown): string {
  if (typeof value === 'string') return withoutControls(value)
  return Array.isArray(value) && value.every((item) => typeof item === 'string')
    ? withoutControls(value.join(' '))
    : JSON.stringify(value)
}

/** A server's words must not be able to move the cursor of the terminal that shows them. */
function withoutControls(text: string): string {
  return text.replaceAll(/\p{Cc}/gu, '?')
}
