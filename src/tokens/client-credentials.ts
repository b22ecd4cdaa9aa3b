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
import { type ClientAuthMethod, clientAuth } from './client-auth.ts'
import type { EndpointClient } from './endpoint-client.ts'
import { parseRetryAfterMs } from './retry-after.ts'
import type { ServerMetadata } from './server-metadata.ts'
import type { TokenRequest } from './token-source.ts'

export type ClientCredentialsOptions = {
  readonly server: ServerMetadata
  readonly client: EndpointClient
  readonly clientId: string
  readonly auth: ClientAuthMethod
  /** The form's fields beside `grant_type` and the client authentication. */
  readonly form: URLSearchParams
  readonly userAgent: string
  /** For the whole exchange, discovery included. */
  readonly timeoutMs: number
  readonly defaultLifetimeMs: number
  readonly clock: Clock
}

/** The client credentials grant (RFC 6749 section 4.4). Fails with `token_*`. */
export function createClientCredentialsRequest(options: ClientCredentialsOptions): TokenRequest {
  const { server, client, clientId, auth, form, clock } = options
  return async () => {
    const signal = AbortSignal.timeout(options.timeoutMs)
    try {
      const metadata = await server.get(signal)
      const authentication = await authenticate(auth)
      const requestedAt = now(clock)
      const response = await oauth.clientCredentialsGrantRequest(
        metadata,
        { client_id: clientId },
        authentication,
        form,
        {
          signal,
          headers: { 'user-agent': options.userAgent },
          // Whether a plaintext endpoint is allowed was decided with the configuration.
          [oauth.allowInsecureRequests]: true,
          [oauth.customFetch]: client.fetch,
        },
      )
      const host = new URL(metadata.token_endpoint ?? '').host
      await refuseErrors(response, host, requestedAt)
      return await readToken(response, { metadata, host, requestedAt, ...options })
    } catch (cause) {
      // An endpoint that fails may have moved; a refusal came from the right place.
      if (!(cause instanceof SidecarError && cause.code === 'token_rejected')) server.forget()
      throw cause
    }
  }
}

async function authenticate(auth: ClientAuthMethod): Promise<oauth.ClientAuth> {
  try {
    return await clientAuth(auth)
  } catch (cause) {
    throw new SidecarError(
      'token_unavailable',
      'Cannot read the client secret: its file is not readable',
      { cause },
    )
  }
}

/** RFC 6749 section 5.2 and 4.1.2.1, RFC 8707 section 2: the codes whose text is safe to repeat. */
const REFUSALS = new Set([
  'access_denied',
  'invalid_client',
  'invalid_grant',
  'invalid_request',
  'invalid_scope',
  'invalid_target',
  'unauthorized_client',
  'unsupported_grant_type',
])
const PASSING = new Set(['server_error', 'slow_down', 'temporarily_unavailable'])

async function refuseErrors(response: Response, host: string, at: Moment): Promise<void> {
  const { status } = response
  if (status === 200) return
  const retryAfterMs = parseRetryAfterMs(response.headers.get('retry-after'), at.wallMs)
  if (status >= 500 || status === 429 || status === 408) {
    throw new SidecarError(
      'token_unavailable',
      `Cannot get a token from "${host}": it answered with status ${status}`,
      {
        ...(retryAfterMs !== undefined && { retryAfterMs }),
      },
    )
  }
  const code = status >= 400 ? await oauthErrorOf(response) : undefined
  if (code !== undefined && PASSING.has(code)) {
    throw new SidecarError('token_unavailable', `Cannot get a token from "${host}": ${code}`, {
      oauthError: code,
      ...(retryAfterMs !== undefined && { retryAfterMs }),
    })
  }
  if (code !== undefined && REFUSALS.has(code)) {
    throw new SidecarError('token_rejected', `Cannot get a token from "${host}": ${code}`, {
      oauthError: code,
    })
  }
  if (status === 400 || status === 401 || status === 403) {
    throw new SidecarError(
      'token_rejected',
      `Cannot get a token from "${host}": it refused with status ${status} and no known reason`,
    )
  }
  const what =
    status >= 300 && status < 400 ? 'a redirect, which is not followed' : `status ${status}`
  throw new SidecarError(
    'token_invalid',
    `Cannot get a token from "${host}": it answered with ${what}`,
  )
}

async function oauthErrorOf(response: Response): Promise<string | undefined> {
  try {
    const body: unknown = await response.clone().json()
    return typeof body === 'object' &&
      body !== null &&
      'error' in body &&
      typeof body.error === 'string'
      ? body.error
      : undefined
  } catch {
    return undefined // Not JSON: then the status is all there is to know.
  }
}

// RFC 6750 section 2.1: anything else could end the header and begin another.
const B64_TOKEN = /^[\w\-.~+/]+=*$/

type Answered = ClientCredentialsOptions & {
  readonly metadata: oauth.AuthorizationServer
  readonly host: string
  readonly requestedAt: Moment
}

async function readToken(response: Response, answered: Answered): Promise<AccessToken> {
  const { metadata, clientId, host, requestedAt, defaultLifetimeMs } = answered
  const unusable = (why: string, cause?: unknown): SidecarError =>
    new SidecarError('token_invalid', `Cannot use the answer of "${host}": ${why}`, { cause })

  let answer: oauth.TokenEndpointResponse
  try {
    answer = await oauth.processClientCredentialsResponse(
      metadata,
      { client_id: clientId },
      response,
    )
  } catch (cause) {
    throw unusable('it is no valid token response (RFC 6749 section 5.1)', cause)
  }
  if (answer.token_type !== 'bearer') throw unusable('its token is not of the type Bearer')
  if (!B64_TOKEN.test(answer.access_token))
    throw unusable('its token has characters that a header can’t carry')
  const lifetimeMs = lifetimeOf({
    expiresInSeconds: answer.expires_in,
    token: answer.access_token,
    requestedAtWallMs: requestedAt.wallMs,
    defaultLifetimeMs,
  })
  return createAccessToken(createSecret(answer.access_token), requestedAt, lifetimeMs)
}
