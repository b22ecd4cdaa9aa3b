import { expect, test } from 'vitest'
import { lifetimeOf } from '../../../src/tokens/access-token.ts'

const NOW = Date.UTC(2026, 10, 1, 12, 0, 0, 900)
const NOW_SECONDS = Math.floor(NOW / 1000)

function jwt(claims: Readonly<Record<string, unknown>>): string {
  return [{ alg: 'RS256' }, claims, 'signature'].map(base64urlJson).join('.')
}

function base64urlJson(value: unknown): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url')
}

const CASES: readonly {
  readonly what: string
  readonly expiresInSeconds?: number
  readonly token?: string
  readonly lifetimeMs: number
}[] = [
  { what: 'expires_in alone', expiresInSeconds: 300, lifetimeMs: 300_000 },
  { what: 'neither expires_in nor exp: the default', lifetimeMs: 60_000 },
  {
    what: 'expires_in of zero, which some servers send for an unknown lifetime',
    expiresInSeconds: 0,
    lifetimeMs: 60_000,
  },
  { what: 'an opaque token with dots', token: 'a.b.c', expiresInSeconds: 300, lifetimeMs: 300_000 },
  {
    what: 'a payload that is not an object',
    token: `a.${Buffer.from('7').toString('base64url')}.c`,
    lifetimeMs: 60_000,
  },
  { what: 'exp alone', token: jwt({ exp: NOW_SECONDS + 120 }), lifetimeMs: 119_100 },
  {
    what: 'exp earlier than expires_in',
    token: jwt({ exp: NOW_SECONDS + 120 }),
    expiresInSeconds: 3600,
    lifetimeMs: 119_100,
  },
  {
    what: 'exp later than expires_in',
    token: jwt({ exp: NOW_SECONDS + 7200 }),
    expiresInSeconds: 3600,
    lifetimeMs: 3_600_000,
  },
  {
    what: 'exp as a string, which is not a NumericDate',
    token: jwt({ exp: '1' }),
    expiresInSeconds: 300,
    lifetimeMs: 300_000,
  },
  {
    what: 'a local clock that is hours ahead: the time between iat and exp',
    token: jwt({ iat: NOW_SECONDS - 7200, exp: NOW_SECONDS - 7200 + 300 }),
    lifetimeMs: 299_000,
  },
  {
    what: 'a local clock that is hours ahead, iat, exp and a shorter expires_in',
    token: jwt({ iat: NOW_SECONDS - 7200, exp: NOW_SECONDS - 7200 + 300 }),
    expiresInSeconds: 200,
    lifetimeMs: 200_000,
  },
  {
    what: 'an exp in the past without iat',
    token: jwt({ exp: NOW_SECONDS - 10 }),
    lifetimeMs: 60_000,
  },
]

test.for(CASES)('the lifetime with $what', ({ expiresInSeconds, token = 'opaque', lifetimeMs }) => {
  expect(
    lifetimeOf({ expiresInSeconds, token, requestedAtWallMs: NOW, defaultLifetimeMs: 60_000 }),
  ).toBe(lifetimeMs)
})
