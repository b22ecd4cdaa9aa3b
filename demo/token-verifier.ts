import { createRemoteJWKSet, errors, type JWTPayload, jwtVerify } from 'jose'

export type TokenVerifierOptions = {
  readonly issuer: string
  readonly jwksUri: string
  readonly audience: string
  /** Names what is protected, in every challenge. */
  readonly realm: string
}

export type Refusal = {
  readonly kind: 'refused'
  readonly status: 400 | 401 | 403 | 503
  /** The value of `WWW-Authenticate`; undefined where a token would not help. */
  readonly challenge: string | undefined
  readonly expired: boolean
}

type Verification = Refusal | { readonly kind: 'accepted'; readonly claims: JWTPayload }

/** The parts of a request that may contain a token. */
type TokenRequest = {
  readonly url?: string | undefined
  readonly headersDistinct: Readonly<Record<string, string[] | undefined>>
}

export type TokenVerifier = {
  /** Verifies the token of a request; `hasScope` tells what it permits. */
  verify(request: TokenRequest): Promise<Verification>
  /** The response to a valid token without the required scope. */
  insufficient(scope: string): Refusal
}

// RFC 6750 section 2.1; RFC 9110 section 11.1: the scheme's case does not matter.
const BEARER = /^Bearer +(?<token>[\w\-.~+/]+=*)$/i

/** Verifies bearer tokens (RFC 6750) that are JWT access tokens (RFC 9068). */
export function createTokenVerifier(options: TokenVerifierOptions): TokenVerifier {
  const { issuer, audience, realm } = options
  const keys = createRemoteJWKSet(new URL(options.jwksUri))

  const refuse = (status: Refusal['status'], attributes: Record<string, string>): Refusal => ({
    kind: 'refused',
    status,
    challenge: challenge({ realm, ...attributes }),
    expired: false,
  })
  const malformed = (description: string): Refusal =>
    refuse(400, { error: 'invalid_request', error_description: description })

  return {
    async verify({ url = '', headersDistinct }) {
      // RFC 6750 section 2.3: a token in the URL ends up in logs, so it is not accepted.
      if (/[?&]access_token=/.test(url)) {
        return malformed('The token belongs in the Authorization header')
      }
      const [authorization, ...others] = headersDistinct['authorization'] ?? []
      if (others.length > 0) return malformed('More than one Authorization header')
      // RFC 6750 section 3.1: no error code for a request without authentication.
      if (authorization === undefined || !/^Bearer\b/i.test(authorization)) return refuse(401, {})
      const token = BEARER.exec(authorization)?.groups?.['token']
      if (token === undefined) return malformed('No bearer token in the Authorization header')

      try {
        // RFC 9068 section 4: `typ` tells an access token from an ID token of the same issuer.
        const required = { issuer, audience, typ: 'at+jwt', algorithms: ['RS256'] }
        const requiredClaims = ['exp', 'iat', 'jti', 'client_id', 'sub']
        const { payload } = await jwtVerify(token, keys, { ...required, requiredClaims })
        return { kind: 'accepted', claims: payload }
      } catch (cause) {
        const description = faultOf(cause)
        if (description === undefined) {
          return { kind: 'refused', status: 503, challenge: undefined, expired: false }
        }
        const refusal = refuse(401, { error: 'invalid_token', error_description: description })
        return { ...refusal, expired: cause instanceof errors.JWTExpired }
      }
    },
    insufficient: (scope) => refuse(403, { error: 'insufficient_scope', scope }),
  }
}

/** Whether the token permits it (RFC 9068 section 2.2.3). */
export function hasScope({ scope }: JWTPayload, wanted: string): boolean {
  return typeof scope === 'string' && scope.split(' ').includes(wanted)
}

/** RFC 9110 section 11.6.1; none of the values has a quote or a backslash in it. */
function challenge(attributes: Record<string, string>): string {
  const written = Object.entries(attributes).map(([name, value]) => `${name}="${value}"`)
  return `Bearer ${written.join(', ')}`
}

/** Why the token is not valid; undefined if the keys to verify it cannot be fetched. */
function faultOf(cause: unknown): string | undefined {
  if (cause instanceof errors.JWTExpired) return 'The token has expired'
  if (cause instanceof errors.JWTClaimValidationFailed) {
    if (cause.claim === 'iss') return 'The token is from another issuer'
    if (cause.claim === 'aud') return 'The token is for another audience'
    return `The token does not have the ${cause.claim} of an access token`
  }
  if (cause instanceof errors.JWKSNoMatchingKey) return 'The token is signed with an unknown key'
  if (cause instanceof errors.JWSSignatureVerificationFailed) return 'The signature is not valid'
  if (cause instanceof errors.JWKSTimeout || cause instanceof errors.JWKSInvalid) return undefined
  // A generic error of jose: the response contains no keys.
  const isGeneric = cause instanceof errors.JOSEError && cause.code === errors.JOSEError.code
  return cause instanceof errors.JOSEError && !isGeneric ? 'The token is no valid JWT' : undefined
}
