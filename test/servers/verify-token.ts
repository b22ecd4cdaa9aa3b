import { createLocalJWKSet, jwtVerify } from 'jose'
import * as z from 'zod'
import type { VerifiedToken } from './authorization-server.ts'
import type { HttpClient } from './http-client.ts'

const words = z.preprocess(
  (value) => (typeof value === 'string' ? value.split(' ').filter((word) => word !== '') : value),
  z.array(z.string()).default([]),
)

const claims = z.object({
  scope: words,
  aud: words,
  cnf: z.object({ jkt: z.string().optional() }).optional(),
})

const jwks = z.object({ keys: z.array(z.looseObject({ kty: z.string() })) })

/** Verifies the signature, issuer and expiry of a JWT. */
export async function verifyByJwks(
  token: string,
  { http, jwksUrl, issuer }: { http: HttpClient; jwksUrl: string; issuer?: string },
): Promise<VerifiedToken> {
  const keys = createLocalJWKSet(jwks.parse(await http.expect(jwksUrl)))
  const { payload } = await jwtVerify(token, keys, {
    requiredClaims: ['exp'],
    ...(issuer !== undefined && { issuer }),
  })
  return verifiedToken(payload)
}

/** Verifies a token by introspection (RFC 7662). */
export async function verifyByIntrospection(
  token: string,
  { http, url, authorization }: { http: HttpClient; url: string; authorization?: string },
): Promise<VerifiedToken> {
  const response = await http.expect(url, {
    method: 'POST',
    form: { token },
    ...(authorization !== undefined && { headers: { authorization } }),
  })
  if (!z.object({ active: z.literal(true) }).safeParse(response).success) {
    throw new Error('introspection: the token is not active')
  }
  return verifiedToken(response)
}

function verifiedToken(value: unknown): VerifiedToken {
  const { scope, aud, cnf } = claims.parse(value)
  return { scopes: scope, audience: aud, jkt: cnf?.jkt }
}

export function basic(user: string, password: string): string {
  return `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`
}
