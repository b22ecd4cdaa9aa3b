import * as oauth from 'oauth4webapi'
import { SidecarError } from '../errors.ts'
import type { Clock } from '../lib/clock.ts'
import { isEndpointUrl, isRemotePlaintext } from '../lib/endpoint-url.ts'
import type { EndpointClient } from './endpoint-client.ts'

export type ServerMetadata = {
  /** The metadata, from the cache after the first successful read. */
  get(signal: AbortSignal): Promise<oauth.AuthorizationServer>
  /** Clears the cache, because the endpoints may have moved. */
  forget(): void
}

/** The metadata of a configured token endpoint, which also serves as the issuer if none is known. */
export function createFixedMetadata(
  tokenEndpoint: string,
  issuer: string = tokenEndpoint,
): ServerMetadata {
  const metadata = { issuer, token_endpoint: tokenEndpoint }
  return { get: async () => await Promise.resolve(metadata), forget: () => {} }
}

export type DiscoveryOptions = {
  readonly issuer: string
  readonly client: EndpointClient
  /** Whether a discovered endpoint may be `http:`. */
  readonly allowPlaintext: boolean
  /** For the whole token request, of which discovery is a part. */
  readonly timeoutMs: number
  readonly clock: Pick<Clock, 'schedule'>
}

/** Discovers the metadata of an issuer: RFC 8414, then OpenID Connect Discovery. */
export function createDiscoveredMetadata(options: DiscoveryOptions): ServerMetadata {
  let known: oauth.AuthorizationServer | undefined
  return {
    async get(signal) {
      known ??= await discover(options, signal)
      return known
    },
    forget() {
      known = undefined
    },
  }
}

/**
 * Tries the second well-known URL after any failure of the first, and in parallel with it if the first takes more
 * than a third of the timeout. Redirects are not followed.
 */
async function discover(
  options: DiscoveryOptions,
  signal: AbortSignal,
): Promise<oauth.AuthorizationServer> {
  const { issuer, timeoutMs, clock } = options
  const done = new AbortController()
  const either = AbortSignal.any([signal, done.signal])
  const turn = Promise.withResolvers<void>()
  const cancel = clock.schedule(timeoutMs / 3, turn.resolve)
  const first = readWellKnown('oauth2', options, either)
  first.catch(() => turn.resolve())
  const second = turn.promise.then(async () => await readWellKnown('oidc', options, either))
  try {
    return await Promise.any([first, second])
  } catch (cause) {
    throw mostSpecific(cause instanceof AggregateError ? cause.errors : [cause], issuer)
  } finally {
    cancel()
    done.abort()
  }
}

/** A temporary failure, which is retried soon, before others; "not found" last. */
function mostSpecific(failures: readonly unknown[], issuer: string): unknown {
  const notFoundMessage = notFound(issuer).message
  return (
    failures.find((each) => each instanceof SidecarError && each.code === 'token_unavailable') ??
    failures.find((each) => each instanceof SidecarError && each.message !== notFoundMessage) ??
    failures[0]
  )
}

async function readWellKnown(
  algorithm: 'oauth2' | 'oidc',
  options: DiscoveryOptions,
  signal: AbortSignal,
): Promise<oauth.AuthorizationServer> {
  const { issuer, client } = options
  const response = await oauth.discoveryRequest(new URL(issuer), {
    algorithm,
    signal,
    [oauth.allowInsecureRequests]: true,
    [oauth.customFetch]: client.fetch,
  })
  const { status } = response
  if (status >= 200 && status < 300) return await readMetadata(response, options)
  if (status === 404 || status === 410 || status < 400) throw notFound(issuer)
  const isPassing = status >= 500 || status === 429 || status === 408
  throw new SidecarError(
    isPassing ? 'token_unavailable' : 'token_invalid',
    `Cannot read the metadata of "${issuer}": status ${status}`,
  )
}

function notFound(issuer: string): SidecarError {
  return new SidecarError(
    'token_invalid',
    `Cannot find the metadata of "${issuer}": nothing at its well-known URLs; check the issuer, or set "tokenEndpoint"`,
  )
}

async function readMetadata(
  response: Response,
  { issuer, allowPlaintext }: DiscoveryOptions,
): Promise<oauth.AuthorizationServer> {
  let metadata: oauth.AuthorizationServer
  try {
    // The library insists on status 200, and a proxy may have made it 203.
    metadata = await oauth.processDiscoveryResponse(new URL(issuer), new Response(response.body))
  } catch (cause) {
    throw unusable(issuer, libraryFault(cause), cause)
  }
  // RFC 8414 section 3.3: identical, to the character. The library compares URLs.
  if (metadata.issuer !== issuer) throw unusable(issuer, OTHER_ISSUER)
  const endpoint = endpointOf(metadata)
  if (endpoint === undefined) throw unusable(issuer, 'it has no token endpoint')
  // RFC 8705 section 5: where clients with a certificate go instead.
  const alias = endpointOf(metadata.mtls_endpoint_aliases)
  for (const url of [endpoint, alias ?? endpoint]) {
    const fault = endpointFault(url, issuer, allowPlaintext)
    if (fault !== undefined) throw unusable(issuer, fault)
  }
  return {
    issuer,
    token_endpoint: endpoint,
    ...(alias !== undefined && { mtls_endpoint_aliases: { token_endpoint: alias } }),
  }
}

const OTHER_ISSUER =
  'it names another issuer; the configured one must be identical, including a trailing slash'

/** What the library found, without the text of the server that its errors repeat. */
function libraryFault(cause: unknown): string {
  const code = cause instanceof oauth.OperationProcessingError ? cause.code : undefined
  switch (code) {
    case oauth.PARSE_ERROR:
    case oauth.RESPONSE_IS_NOT_JSON: {
      return 'it is not JSON'
    }
    case oauth.INVALID_RESPONSE: {
      return 'it is not a JSON object with an issuer'
    }
    default: {
      return OTHER_ISSUER
    }
  }
}

/** The library does not validate it. */
function endpointOf(
  metadata: Pick<oauth.AuthorizationServer, 'token_endpoint'> | undefined,
): string | undefined {
  const endpoint: unknown = metadata?.token_endpoint
  return typeof endpoint === 'string' && URL.canParse(endpoint) ? endpoint : undefined
}

/** A discovered token endpoint follows the same rules as a configured one. */
function endpointFault(
  endpoint: string,
  issuer: string,
  allowPlaintext: boolean,
): string | undefined {
  if (!isEndpointUrl(endpoint)) {
    return 'its token endpoint is not an http(s) URL without user or fragment'
  }
  // Also for loopback: an issuer that uses TLS has no reason to name a local plaintext port.
  const isDowngrade =
    new URL(endpoint).protocol === 'http:' && new URL(issuer).protocol === 'https:'
  return (isDowngrade || isRemotePlaintext(endpoint)) && !allowPlaintext
    ? 'its token endpoint is not https; set "allowPlaintext: true" to allow that'
    : undefined
}

function unusable(issuer: string, why: string, cause?: unknown): SidecarError {
  const message = `Cannot use the metadata of "${issuer}": ${why}`
  return new SidecarError('token_invalid', message, { cause })
}
