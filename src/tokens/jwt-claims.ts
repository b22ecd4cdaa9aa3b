import { decodeJwt } from 'jose'

/**
 * The claims of a JWT; undefined for an opaque token, which may contain dots, too. The signature is not verified:
 * the token came from the authorization server, and only the API has to trust it.
 */
export function jwtClaims(token: string): Readonly<Record<string, unknown>> | undefined {
  try {
    return decodeJwt(token)
  } catch {
    return undefined
  }
}
