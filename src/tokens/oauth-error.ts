/** The explanation of an OAuth error code. Only registered codes are quoted, because others are text of the server. */
type OAuthError = {
  /** Whether the failure is temporary. */
  readonly passing: boolean
  /** Whether servers report a failed client authentication with this code. */
  readonly clientAuthentication: 'likely' | 'possible' | 'unrelated'
  readonly advice: string
}

// RFC 6749 sections 4.1.2.1 and 5.2, RFC 8628 section 3.5, RFC 8693 and 8707 section 2, RFC 9449.
const ERRORS: Readonly<Record<string, OAuthError>> = {
  access_denied: {
    passing: false,
    clientAuthentication: 'possible', // Auth0
    advice: 'A policy of the server denies access: ask the administrator of this client.',
  },
  invalid_client: {
    passing: false,
    clientAuthentication: 'likely',
    advice:
      'The server does not know the client, or client authentication failed: compare the client identifier and the authentication method ("auth.method") with the registration.',
  },
  invalid_dpop_proof: {
    passing: false,
    clientAuthentication: 'unrelated',
    advice:
      'The server does not accept the DPoP proof: compare its algorithms with "dpop.algorithm", and the clocks.',
  },
  invalid_grant: {
    passing: false,
    clientAuthentication: 'possible',
    advice:
      'The assertion or the subject token of the grant is not accepted: it may have expired, be signed with a key that is not registered, or have another audience ("grant.audience").',
  },
  invalid_request: {
    passing: false,
    clientAuthentication: 'possible', // Hydra, for client assertions
    advice:
      'A parameter is missing or not supported: servers differ in "audience", "resource" and "scopes".',
  },
  invalid_scope: {
    passing: false,
    clientAuthentication: 'unrelated',
    advice:
      'A scope is unknown, or not granted to this client: compare "scopes" with the registration.',
  },
  invalid_target: {
    passing: false,
    clientAuthentication: 'unrelated',
    advice:
      'The server does not know the resource, or this client may not use it: compare "resource" and "audience".',
  },
  server_error: {
    passing: true,
    clientAuthentication: 'unrelated',
    advice: 'The server has an internal error; the request is retried.',
  },
  slow_down: {
    passing: true,
    clientAuthentication: 'unrelated',
    advice: 'The server is rate limiting; the request is retried later.',
  },
  temporarily_unavailable: {
    passing: true,
    clientAuthentication: 'unrelated',
    advice: 'The server is overloaded or under maintenance; the request is retried.',
  },
  unauthorized_client: {
    passing: false,
    clientAuthentication: 'likely', // Keycloak
    advice:
      'The secret is wrong, which Keycloak reports in this way, or this client may not use this grant: enable client credentials in its registration.',
  },
  unsupported_grant_type: {
    passing: false,
    clientAuthentication: 'unrelated',
    advice: 'The server does not support this grant, or not at this endpoint.',
  },
  use_dpop_nonce: {
    passing: true,
    clientAuthentication: 'unrelated',
    advice: 'The server requires a DPoP nonce and rejects the one that it supplied.',
  },
}

/** The code, if it is a registered one. */
export function knownOAuthError(code: unknown): string | undefined {
  return typeof code === 'string' && Object.hasOwn(ERRORS, code) ? code : undefined
}

export function isPassingOAuthError(code: string): boolean {
  return ERRORS[code]?.passing === true
}

export function oauthErrorAdvice(code: string | undefined): string | undefined {
  return code === undefined ? undefined : ERRORS[code]?.advice
}

/**
 * Whether another secret, key or assertion may be accepted. RFC 6749 section 5.2 has `invalid_client` for
 * this, but servers also use other codes, or none.
 */
export function mayBeClientAuthentication(code: string | undefined): boolean {
  return clientAuthenticationOf(code) !== 'unrelated'
}

/** What to do about a rejected token request, for the authentication method of this client. */
export function rejectionAdvice(code: string | undefined, authMethod: AuthMethod): string {
  const advice = oauthErrorAdvice(code) ?? WITHOUT_CODE
  const check = CREDENTIAL_ADVICE[authMethod]
  if (check === '') return advice
  switch (clientAuthenticationOf(code)) {
    case 'likely': {
      return `${advice} Check ${check}`
    }
    case 'possible': {
      return `${advice} Some servers report failed client authentication with this code, too: check ${check}`
    }
    case 'unrelated': {
      return advice
    }
  }
}

function clientAuthenticationOf(code: string | undefined): OAuthError['clientAuthentication'] {
  return code === undefined ? 'likely' : (ERRORS[code]?.clientAuthentication ?? 'unrelated')
}

const WITHOUT_CODE =
  'The server gives no known reason: compare the client identifier and the authentication method ("auth.method") with the registration; "token-sidecar token NAME" shows the response of the server.'

type AuthMethod =
  | 'client_secret_basic'
  | 'client_secret_post'
  | 'client_secret_jwt'
  | 'private_key_jwt'
  | 'client_assertion_file'
  | 'tls_client_auth'
  | 'self_signed_tls_client_auth'
  | 'none'

const ASSERTION_ADVICE =
  'Servers differ in the assertion that they accept: "auth.audience: tokenEndpoint" if its "aud" must be the token endpoint (Hydra, Authlib, Glewlwyd), "auth.header: { typ: JWT }" if its "typ" must be "JWT" (Spring Authorization Server).'

const CERTIFICATE_ADVICE = 'the client certificate ("tls.client").'

/** Completes "Check …". */
const CREDENTIAL_ADVICE: Readonly<Record<AuthMethod, string>> = {
  client_secret_basic:
    'the secret ("auth.clientSecret"). "auth.encoding: raw" is for servers that do not decode it if it has special characters (Glewlwyd).',
  client_secret_post: 'the secret ("auth.clientSecret").',
  client_secret_jwt: `the secret ("auth.clientSecret"). ${ASSERTION_ADVICE}`,
  private_key_jwt: `the key ("auth.key"), its identifier ("auth.keyId") and "auth.algorithm". ${ASSERTION_ADVICE}`,
  client_assertion_file:
    'the assertion ("auth.file"): its signing key, its claims "iss", "sub", "aud" and "exp", and "typ" in its header.',
  tls_client_auth: CERTIFICATE_ADVICE,
  self_signed_tls_client_auth: CERTIFICATE_ADVICE,
  none: '',
}
