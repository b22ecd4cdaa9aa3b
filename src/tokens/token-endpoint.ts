import * as oauth from 'oauth4webapi'
import { SidecarError } from '../errors.ts'
import type { Clock } from '../lib/clock.ts'
import { createSecret } from '../lib/secret.ts'
import {
  type AccessToken,
  createAccessToken,
  lifetimeOf,
  type Moment,
  now,
  scopesOfJwt,
} from './access-token.ts'
import {
  type ClientAuthMethod,
  type ClientAuthentication,
  NO_CLIENT_ID,
  prepareClientAuth,
} from './client-auth.ts'
import type { DpopKey } from './dpop.ts'
import type { EndpointClient } from './endpoint-client.ts'
import { type Grant, prepareGrant } from './grant.ts'
import {
  isPassingOAuthError,
  knownOAuthError,
  mayBeClientAuthentication,
  rejectionAdvice,
} from './oauth-error.ts'
import { parseRetryAfterMs } from './retry-after.ts'
import type { ServerMetadata } from './server-metadata.ts'
import { isFreeOfSecrets, sanitized } from './server-text.ts'
import {
  accessTokenOf,
  errorOf,
  grantedScopesOf,
  lifetimeSecondsOf,
  parseFields,
  type ResponseFields,
  serverTextOf,
  tokenFault,
  tokenUseOf,
} from './token-response.ts'
import type { TokenRequest } from './token-source.ts'

export type TokenEndpointOptions = {
  readonly server: ServerMetadata
  readonly client: EndpointClient
  readonly clientId: string | undefined
  readonly auth: ClientAuthMethod
  readonly grant: Grant
  /** Form fields other than those of the grant and of client authentication. */
  readonly form: URLSearchParams
  readonly headers: Readonly<Record<string, string>>
  readonly dpop: DpopKey | undefined
  /** The server's name for bearer tokens, if it is not `Bearer`. */
  readonly tokenType: string | undefined
  /** Whether they are sent in the form or in the assertion. */
  readonly requestedScopes: readonly string[]
  /** Whether the client has a certificate: then `mtls_endpoint_aliases` are used (RFC 8705 section 5). */
  readonly mutualTls: boolean
  /** For the whole token request, including discovery. */
  readonly timeoutMs: number
  readonly defaultLifetimeMs: number
  readonly clock: Clock
}

/** Requests access tokens from a token endpoint (RFC 6749 section 3.2). Fails with `token_*`. */
export function createTokenEndpointRequest(options: TokenEndpointOptions): TokenRequest {
  const { server, auth } = options
  return async () => {
    const signal = AbortSignal.timeout(options.timeoutMs)
    const clientAuth = await prepareClientAuth(auth)
    try {
      return await requestToken(clientAuth, signal, options)
    } catch (cause) {
      const isRejected = cause instanceof SidecarError && cause.code === 'token_rejected'
      // An endpoint that fails may have moved. One that rejects the request has not.
      if (!isRejected) server.forget()
      if (!isRejected || !mayBeClientAuthentication(cause.oauthError)) throw cause
      // If the secret was rotated during the request, the new one is used without a back-off.
      const rotated = await prepareClientAuth(auth)
      if (rotated.fingerprint === clientAuth.fingerprint) throw cause
      return await requestToken(rotated, signal, options)
    }
  }
}

async function requestToken(
  clientAuth: ClientAuthentication,
  signal: AbortSignal,
  options: TokenEndpointOptions,
): Promise<AccessToken> {
  const { server, client, clock, dpop } = options
  const metadata = await server.get(signal)
  const grant = await prepareGrant(options.grant, metadata, clock.wallMs())
  const form = new URLSearchParams(options.form)
  for (const [name, value] of Object.entries(grant.fields)) form.set(name, value)
  const oauthClient = {
    client_id: options.clientId ?? NO_CLIENT_ID,
    use_mtls_endpoint_aliases: options.mutualTls,
  }
  const send = async (): Promise<TokenResponse> => {
    const requestedAt = now(clock)
    let sent: readonly string[] = []
    const response = await oauth.genericTokenEndpointRequest(
      metadata,
      oauthClient,
      clientAuth.authenticate,
      grant.grantType,
      form,
      {
        signal,
        headers: options.headers,
        ...(dpop !== undefined && { DPoP: dpop.handle }),
        // The configuration and discovery have already checked whether plaintext is allowed.
        [oauth.allowInsecureRequests]: true,
        async [oauth.customFetch](url, init) {
          sent = secretsOf(url, init)
          // RFC 6749 appendix B: the media type has no parameters, and some servers compare it literally.
          const headers = { ...init.headers, 'content-type': 'application/x-www-form-urlencoded' }
          return await client.fetch(url, { ...init, headers })
        },
      },
    )
    const contentType = response.headers.get('content-type') ?? ''
    return {
      status: response.status,
      headers: response.headers,
      fields: parseFields(await response.text(), contentType),
      requestedAt,
      secrets: [...clientAuth.secrets, ...sent],
    }
  }
  const first = await send()
  // RFC 9449 section 8: the response supplies the nonce, which the library has stored.
  const needsNonce = dpop !== undefined && errorOf(first.fields) === 'use_dpop_nonce'
  const response = needsNonce ? await send() : first
  const { host } = new URL(metadata.token_endpoint ?? metadata.issuer)
  const failure = failureOf(response, host, options.auth.method)
  if (failure !== undefined) throw failure
  return readToken(response, host, options)
}

type TokenResponse = {
  readonly status: number
  readonly headers: Headers
  /** Undefined if the body is neither a JSON object nor a form. */
  readonly fields: ResponseFields | undefined
  readonly requestedAt: Moment
  /** Values of the request that must not appear in any output, even if the server repeats them. */
  readonly secrets: readonly string[]
}

/** Form fields and header fields that are not secret. */
const PUBLIC_FIELDS: ReadonlySet<string> = new Set([
  'accept',
  'audience',
  'client_assertion_type',
  'client_id',
  'content-type',
  'grant_type',
  'requested_token_type',
  'resource',
  'scope',
  'subject_token_type',
  'user-agent',
])

/** The values of a token request that may be secret: credentials, assertions and custom parameters. */
function secretsOf(
  url: string,
  { headers, body }: { readonly headers: Record<string, string>; readonly body: URLSearchParams },
): string[] {
  return [...Object.entries(headers), ...body, ...new URL(url).searchParams]
    .filter(([name]) => !PUBLIC_FIELDS.has(name))
    .map(([, value]) => value.replace(/^Basic /, ''))
}

/** The failure that a response reports by its status or error code (RFC 6749 section 5.2). */
function failureOf(
  { status, headers, fields, requestedAt, secrets }: TokenResponse,
  host: string,
  authMethod: ClientAuthMethod['method'],
): SidecarError | undefined {
  const isSuccess = status >= 200 && status < 300
  const error = errorOf(fields)
  const code = knownOAuthError(error)
  // Some servers report errors with status 200.
  const isError = error !== undefined && !(isSuccess && accessTokenOf(fields) !== undefined)
  if (isSuccess && !isError) return undefined

  const retryAfterMs = parseRetryAfterMs(headers.get('retry-after'), requestedAt.wallMs)
  const serverText = sanitized(serverTextOf(fields), secrets)
  const details = {
    ...(retryAfterMs !== undefined && { retryAfterMs }),
    ...(code !== undefined && { oauthError: code }),
    ...(serverText !== '' && { serverText }),
  }
  const prefix = `Cannot get a token from "${host}"`
  if (status >= 500 || status === 429 || status === 408) {
    return new SidecarError(
      'token_unavailable',
      `${prefix}: it responded with status ${status}`,
      details,
    )
  }
  if (code !== undefined && isPassingOAuthError(code)) {
    return new SidecarError('token_unavailable', `${prefix}: ${code}`, details)
  }
  if (code !== undefined || isError || status === 400 || status === 401 || status === 403) {
    const why = code ?? `it rejected the request with status ${status} and no known error code`
    const advice = rejectionAdvice(code, authMethod)
    return new SidecarError('token_rejected', `${prefix}: ${why}`, { ...details, advice })
  }
  const what =
    status >= 300 && status < 400 ? 'a redirect, which is not followed' : `status ${status}`
  return new SidecarError('token_invalid', `${prefix}: it responded with ${what}`, details)
}

/** RFC 6749 section 5.1; see docs/decisions/0016 for why this is not left to the library. */
function readToken(
  { status, fields, requestedAt, secrets }: TokenResponse,
  host: string,
  options: TokenEndpointOptions,
): AccessToken {
  const { defaultLifetimeMs, dpop, tokenType } = options
  const unusable = (why: string): SidecarError =>
    new SidecarError('token_invalid', `Cannot use the response of "${host}": ${why}`)

  if (fields === undefined) {
    throw unusable(`status ${status}, and the body is not a JSON object`)
  }
  const token = accessTokenOf(fields)
  if (token === undefined) throw unusable('it has no access_token, or one that is not a string')
  const fault = tokenFault(token)
  if (fault !== undefined) throw unusable(fault)
  const type = tokenUseOf(fields, {
    hasDpop: dpop !== undefined,
    tokenType,
    isRepeatable: (text) => isFreeOfSecrets(text, [token, ...secrets]),
  })
  if ('fault' in type) throw unusable(type.fault)

  const scopes = grantedScopesOf(fields) ?? scopesOfJwt(token)
  return createAccessToken({
    value: createSecret(token),
    scope: scopes?.filter((scope) => isFreeOfSecrets(scope, [token, ...secrets])).join(' '),
    requestedScopes: options.requestedScopes,
    dpop: type.use === 'dpop' ? dpop : undefined,
    requestedAt,
    lifetimeMs: lifetimeOf({
      expiresInSeconds: lifetimeSecondsOf(fields),
      token,
      requestedAtWallMs: requestedAt.wallMs,
      defaultLifetimeMs,
    }),
  })
}
