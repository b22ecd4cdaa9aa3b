/** What a server's error code means for us. Only these codes are ever repeated: others are its own text. */
type OAuthError = {
  /** Whether it goes away by itself. */
  readonly passing: boolean
  /** What to do about it, for the person who reads it. */
  readonly advice: string
}

// RFC 6749 sections 4.1.2.1 and 5.2, RFC 8628 section 3.5, RFC 8693 and 8707 section 2, RFC 9449.
const ERRORS: Readonly<Record<string, OAuthError>> = {
  access_denied: {
    passing: false,
    advice: 'A policy of the server forbids it: ask who administers this client there.',
  },
  invalid_client: {
    passing: false,
    advice:
      'The server does not know the client, or its proof is wrong: compare the client identifier, the secret or key, and the authentication method ("auth.method") with the registration.',
  },
  invalid_dpop_proof: {
    passing: false,
    advice:
      'The server does not accept the DPoP proof: compare its algorithms with "dpop.algorithm", and the clocks.',
  },
  invalid_grant: {
    passing: false,
    advice:
      'The assertion or the subject token is not accepted: it may have expired, or be for another audience ("grant.audience").',
  },
  invalid_request: {
    passing: false,
    advice:
      'The server misses a parameter or dislikes one: servers differ in "audience", "resource" and "scopes".',
  },
  invalid_scope: {
    passing: false,
    advice:
      'A scope is unknown, or not granted to this client: compare "scopes" with the registration.',
  },
  invalid_target: {
    passing: false,
    advice:
      'The server does not know the resource, or this client may not use it: compare "resource" and "audience".',
  },
  server_error: { passing: true, advice: 'The server has a fault of its own; it is asked again.' },
  slow_down: { passing: true, advice: 'The server asks for patience; it is asked again later.' },
  temporarily_unavailable: {
    passing: true,
    advice: 'The server is overloaded or being maintained; it is asked again.',
  },
  unauthorized_client: {
    passing: false,
    advice:
      'The secret is wrong, which Keycloak reports in this way, or this client may not use this grant: compare the secret, and enable client credentials in its registration.',
  },
  unsupported_grant_type: {
    passing: false,
    advice: 'The server does not offer this grant, or not at this endpoint.',
  },
  use_dpop_nonce: {
    passing: true,
    advice: 'The server insists on a nonce that it does not accept.',
  },
}

/** The code, if it is a registered one. */
export function knownOAuthError(code: unknown): string | undefined {
  return typeof code === 'string' && Object.hasOwn(ERRORS, code) ? code : undefined
}

export function isPassingOAuthError(code: string): boolean {
  return ERRORS[code]?.passing === true
}

/** What a person can do about it. */
export function oauthErrorAdvice(code: string | undefined): string | undefined {
  return code === undefined ? undefined : ERRORS[code]?.advice
}

/**
 * Whether a refusal may be due to the secret, key, assertion or token that was sent, so that another one may
 * be accepted. Servers differ: Keycloak reports a wrong secret as `unauthorized_client`, Auth0 as
 * `access_denied`, and some give no code at all.
 */
export function mayBeAboutTheProof(code: string | undefined): boolean {
  return code === undefined || ABOUT_THE_PROOF.has(code)
}

const ABOUT_THE_PROOF: ReadonlySet<string> = new Set([
  'access_denied',
  'invalid_client',
  'invalid_grant',
  'invalid_request',
  'unauthorized_client',
])

/** What to do about a refusal, with what is known about the client. */
export function refusalAdvice(code: string | undefined, authMethod: string): string {
  const advice = oauthErrorAdvice(code) ?? WITHOUT_CODE
  const isByAssertion = authMethod === 'private_key_jwt' || authMethod === 'client_secret_jwt'
  return isByAssertion && mayBeAboutTheProof(code) ? `${advice} ${ABOUT_ASSERTIONS}` : advice
}

const WITHOUT_CODE =
  'The server refuses without a reason that is known: compare the client identifier, the secret or key, and the authentication method ("auth.method") with the registration; "token-sidecar token NAME" shows what the server says.'

const ABOUT_ASSERTIONS =
  'Servers also differ in the assertion that they accept: "auth.audience: tokenEndpoint" where its "aud" must be the token endpoint (Hydra, Authlib, Glewlwyd), "auth.header: { typ: JWT }" where its "typ" must be that (Spring Authorization Server).'
