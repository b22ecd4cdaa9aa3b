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
  type ClientProof,
  proveClient,
  UNNAMED_CLIENT,
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
import { isHarmless, presentable } from './server-text.ts'
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
  /** The form's fields beside those of the grant and the client authentication. */
  readonly form: URLSearchParams
  readonly headers: Readonly<Record<string, string>>
  readonly dpop: DpopKey | undefined
  /** What the server calls bearer tokens, where that is not `Bearer`. */
  readonly tokenType: string | undefined
  /** Whichever way they are sent. */
  readonly requestedScopes: readonly string[]
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
        refused && mayBeClientAuthentication(cause.oauthError) ? await proveClient(auth) : proof
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
  const send = async (): Promise<TokenResponse> => {
    const requestedAt = now(clock)
    let sent: readonly string[] = []
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
      secrets: [...proof.secrets, ...sent],
    }
  }
  const first = await send()
  // RFC 9449 section 8: the nonce that the server wants came with the refusal.
  const wantsNonce = dpop !== undefined && errorOf(first.fields) === 'use_dpop_nonce'
  const response = wantsNonce ? await send() : first
  const { host } = new URL(metadata.token_endpoint ?? metadata.issuer)
  const refusal = refusalOf(response, host, options.auth.method)
  if (refusal !== undefined) throw refusal
  return readToken(response, host, options)
}

type TokenResponse = {
  readonly status: number
  readonly headers: Headers
  /** Undefined if the body is neither a JSON object nor a form. */
  readonly fields: ResponseFields | undefined
  readonly requestedAt: Moment
  /** What was sent, and must not be repeated where the server repeats it. */
  readonly secrets: readonly string[]
}

/** Form fields and header fields that hold nothing secret. */
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

/** The values of a token request that may be secret: credentials, assertions, and what a user has added. */
function secretsOf(
  url: string,
  { headers, body }: { readonly headers: Record<string, string>; readonly body: URLSearchParams },
): string[] {
  return [...Object.entries(headers), ...body, ...new URL(url).searchParams]
    .filter(([name]) => !PUBLIC_FIELDS.has(name))
    .map(([, value]) => value.replace(/^Basic /, ''))
}

/** What keeps a response from being a token, by its status and its error code. */
function refusalOf(
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
  const serverText = presentable(serverTextOf(fields), secrets)
  const details = {
    ...(retryAfterMs !== undefined && { retryAfterMs }),
    ...(code !== undefined && { oauthError: code }),
    ...(serverText !== '' && { serverText }),
  }
  const failure = `Cannot get a token from "${host}"`
  if (status >= 500 || status === 429 || status === 408) {
    return new SidecarError(
      'token_unavailable',
      `${failure}: it answered with status ${status}`,
      details,
    )
  }
  if (code !== undefined && isPassingOAuthError(code)) {
    return new SidecarError('token_unavailable', `${failure}: ${code}`, details)
  }
  if (code !== undefined || isError || status === 400 || status === 401 || status === 403) {
    const why = code ?? `it refused with status ${status} and no known reason`
    const advice = rejectionAdvice(code, authMethod)
    return new SidecarError('token_rejected', `${failure}: ${why}`, { ...details, advice })
  }
  const what =
    status >= 300 && status < 400 ? 'a redirect, which is not followed' : `status ${status}`
  return new SidecarError('token_invalid', `${failure}: it answered with ${what}`, details)
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
    throw unusable(`it has status ${status} and no JSON object, as a token response has`)
  }
  const token = accessTokenOf(fields)
  if (token === undefined) throw unusable('it has no access_token that is a string')
  const fault = tokenFault(token)
  if (fault !== undefined) throw unusable(fault)
  const type = tokenUseOf(fields, {
    hasDpop: dpop !== undefined,
    tokenType,
    isHarmless: (text) => isHarmless(text, [token, ...secrets]),
  })
  if ('fault' in type) throw unusable(type.fault)

  const scopes = grantedScopesOf(fields) ?? scopesOfJwt(token)
  return createAccessToken({
    value: createSecret(token),
    scope: scopes?.filter((scope) => isHarmless(scope, [token, ...secrets])).join(' '),
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
