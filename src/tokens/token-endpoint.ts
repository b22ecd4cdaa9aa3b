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
} from './access-token.ts'
import {
  type ClientAuthMethod,
  type ClientProof,
  proveClient,
  UNNAMED_CLIENT,
} from './client-auth.ts'
import type { DpopKey } from './dpop.ts'
import type { EndpointClient } from './endpoint-client.ts'
import { type Grant, prepareGrant } from './grant.ts'
import { isPassingOAuthError, knownOAuthError } from './oauth-error.ts'
import { parseRetryAfterMs } from './retry-after.ts'
import type { ServerMetadata } from './server-metadata.ts'
import type { TokenRequest } from './token-source.ts'

export type TokenEndpointOptions = {
  readonly server: ServerMetadata
  readonly client: EndpointClient
  readonly clientId: string | undefined
  readonly auth: ClientAuthMethod
  readonly grant: Grant
  /** The form's fields beside those of the grant and the client authentication. */
  readonly form: URLSearchParams
  readonly headers: Readonly<Record<string, string>>
  readonly dpop: DpopKey | undefined
  /** Whether the connection proves the client: then the server's mTLS endpoints are used. */
  readonly mutualTls: boolean
  /** For the whole exchange, discovery included. */
  readonly timeoutMs: number
  readonly defaultLifetimeMs: number
  readonly clock: Clock
}

/** One access token from a token endpoint (RFC 6749 section 3.2). Fails with `token_*`. */
export function createTokenEndpointRequest(options: TokenEndpointOptions): TokenRequest {
  const { server, auth } = options
  return async () => {
    const signal = AbortSignal.timeout(options.timeoutMs)
    const proof = await proveClient(auth)
    try {
      return await exchange(proof, signal, options)
    } catch (cause) {
      const refused = cause instanceof SidecarError && cause.code === 'token_rejected'
      // An endpoint that fails may have moved; a refusal came from the right place.
      if (!refused) server.forget()
      // The secret may have been rotated a moment ago: then the new one is tried at once.
      const current =
        refused && cause.oauthError === 'invalid_client' ? await proveClient(auth) : proof
      if (current.fingerprint === proof.fingerprint) throw cause
      return await exchange(current, signal, options)
    }
  }
}

async function exchange(
  proof: ClientProof,
  signal: AbortSignal,
  options: TokenEndpointOptions,
): Promise<AccessToken> {
  const { server, client, clock, dpop } = options
  const metadata = await server.get(signal)
  const grant = await prepareGrant(options.grant, metadata, clock.wallMs())
  const form = new URLSearchParams(options.form)
  for (const [name, value] of Object.entries(grant.fields)) form.set(name, value)
  const oauthClient = {
    client_id: options.clientId ?? UNNAMED_CLIENT,
    use_mtls_endpoint_aliases: options.mutualTls,
  }
  const send = async (): Promise<Answer> => {
    const requestedAt = now(clock)
    const response = await oauth.genericTokenEndpointRequest(
      metadata,
      oauthClient,
      proof.authenticate,
      grant.grantType,
      form,
      {
        signal,
        headers: options.headers,
        ...(dpop !== undefined && { DPoP: dpop.handle }),
        // Whether a plaintext endpoint is allowed was decided with the configuration.
        [oauth.allowInsecureRequests]: true,
        [oauth.customFetch]: client.fetch,
      },
    )
    return { response, requestedAt, body: await jsonOf(response) }
  }
  const first = await send()
  // RFC 9449 section 8: the nonce that it wants came with the refusal.
  const wantsNonce = dpop !== undefined && errorOf(first.body) === 'use_dpop_nonce'
  return await readAnswer(wantsNonce ? await send() : first, metadata, options)
}

type Answer = {
  readonly response: Response
  readonly requestedAt: Moment
  /** The JSON of the body; undefined if it is none. */
  readonly body: unknown
}

async function jsonOf(response: Response): Promise<unknown> {
  try {
    return await response.clone().json()
  } catch {
    return undefined // What that means depends on the status.
  }
}

function errorOf(body: unknown): unknown {
  return typeof body === 'object' && body !== null && 'error' in body ? body.error : undefined
}

async function readAnswer(
  answer: Answer,
  metadata: oauth.AuthorizationServer,
  options: TokenEndpointOptions,
): Promise<AccessToken> {
  const { host } = new URL(metadata.token_endpoint ?? metadata.issuer)
  const refusal = refusalOf(answer, host)
  if (refusal !== undefined) throw refusal
  return await readToken(answer, host, metadata, options)
}

/** What keeps an answer from being a token, by its status and its error code. */
function refusalOf(
  { response, requestedAt, body }: Answer,
  host: string,
): SidecarError | undefined {
  const { status } = response
  const code = knownOAuthError(errorOf(body))
  // Some servers answer errors with 200.
  const isError = errorOf(body) !== undefined && (status !== 200 || !hasToken(body))
  if (status === 200 && !isError) return undefined

  const retryAfterMs = parseRetryAfterMs(response.headers.get('retry-after'), requestedAt.wallMs)
  const details = {
    ...(retryAfterMs !== undefined && { retryAfterMs }),
    ...(code !== undefined && { oauthError: code }),
  }
  const failure = `Cannot get a token from "${host}"`
  if (status >= 500 || status === 429 || status === 408) {
    return new SidecarError(
      'token_unavailable',
      `${failure}: it answered with status ${status}`,
      details,
    )
  }
  if (code !== undefined) {
    const kind = isPassingOAuthError(code) ? 'token_unavailable' : 'token_rejected'
    return new SidecarError(kind, `${failure}: ${code}`, details)
  }
  if (isError || status === 400 || status === 401 || status === 403) {
    const why = `it refused with status ${status} and no known reason`
    return new SidecarError('token_rejected', `${failure}: ${why}`, details)
  }
  const what =
    status >= 300 && status < 400 ? 'a redirect, which is not followed' : `status ${status}`
  return new SidecarError('token_invalid', `${failure}: it answered with ${what}`, details)
}

function hasToken(body: unknown): boolean {
  return typeof body === 'object' && body !== null && 'access_token' in body
}

// RFC 6750 section 2.1: anything else could end the header and begin another.
const B64_TOKEN = /^[\w\-.~+/]+=*$/

async function readToken(
  { response, requestedAt, body }: Answer,
  host: string,
  metadata: oauth.AuthorizationServer,
  { clientId = UNNAMED_CLIENT, defaultLifetimeMs, dpop }: TokenEndpointOptions,
): Promise<AccessToken> {
  const unusable = (why: string, cause?: unknown): SidecarError =>
    new SidecarError('token_invalid', `Cannot use the answer of "${host}": ${why}`, { cause })

  let answer: oauth.TokenEndpointResponse
  try {
    answer = await oauth.processGenericTokenEndpointResponse(
      metadata,
      { client_id: clientId },
      withoutExtras(response, body),
    )
  } catch (cause) {
    throw unusable('it is no valid token response (RFC 6749 section 5.1)', cause)
  }
  const isDpop = answer.token_type === 'dpop' && dpop !== undefined
  if (answer.token_type !== 'bearer' && !isDpop)
    throw unusable('its token is of a type that was not asked for')
  if (!B64_TOKEN.test(answer.access_token)) {
    throw unusable('its token has characters that a header can’t carry')
  }
  return createAccessToken({
    value: createSecret(answer.access_token),
    scope: answer.scope,
    dpop: isDpop ? dpop : undefined,
    requestedAt,
    lifetimeMs: lifetimeOf({
      expiresInSeconds: answer.expires_in,
      token: answer.access_token,
      requestedAtWallMs: requestedAt.wallMs,
      defaultLifetimeMs,
    }),
  })
}

/**
 * The members that matter here. What else comes (an ID token, a refresh token) is nobody's business,
 * and `expires_in` that is null, empty or not positive tells as little as one that is missing.
 */
function withoutExtras(response: Response, body: unknown): Response {
  if (typeof body !== 'object' || body === null) return response
  const { access_token, token_type, expires_in, scope }: Readonly<Record<string, unknown>> = {
    ...body,
  }
  const isUntold = expires_in === null || expires_in === '' || Number(expires_in) <= 0
  const answer = {
    access_token,
    token_type,
    ...(!isUntold && { expires_in }),
    ...(scope !== null && { scope }),
  }
  const { status, headers } = response
  return new Response(JSON.stringify(answer), { status, headers })
}
