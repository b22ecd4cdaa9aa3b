import * as oauth from 'oauth4webapi'
import { SidecarError } from '../errors.ts'
import type { Clock } from '../lib/clock.ts'
import { isEndpointUrl, isRemotePlaintext } from '../lib/endpoint-url.ts'
import type { EndpointClient } from './endpoint-client.ts'

export type ServerMetadata = {
  /** The server's metadata, remembered once it has been read. */
  get(signal: AbortSignal): Promise<oauth.AuthorizationServer>
  /** Reads it anew the next time: the endpoints may have moved. */
  forget(): void
}

/** A server whose token endpoint is given; without an issuer it goes by that endpoint's name. */
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
  /** For a whole token request, of which discovery is a part. */
  readonly timeoutMs: number
  readonly clock: Pick<Clock, 'schedule'>
}

/** A server whose metadata is found by its issuer: RFC 8414, then OpenID Connect Discovery. */
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
 * Tries the second well-known address after any failure of the first, and beside it when the first takes more
 * than a third of the time. No redirect is followed.
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
    throw mostTelling(cause instanceof AggregateError ? cause.errors : [cause], issuer)
  } finally {
    cancel()
    done.abort()
  }
}

/** What passes by itself is tried again soon; "not found" tells less than anything else. */
function mostTelling(failures: readonly unknown[], issuer: string): unknown {
  const absent = absence(issuer).message
  return (
    failures.find((each) => each instanceof SidecarError && each.code === 'token_unavailable') ??
    failures.find((each) => each instanceof SidecarError && each.message !== absent) ??
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
  if (status === 404 || status === 410 || status < 400) throw absence(issuer)
  const isPassing = status >= 500 || status === 429 || status === 408
  throw new SidecarError(
    isPassing ? 'token_unavailable' : 'token_invalid',
    `Cannot read the metadata of "${issuer}": status ${status}`,
  )
}

function absence(issuer: string): SidecarError {
  return new SidecarError(
    'token_invalid',
    `Cannot find the metadata of "${issuer}": nothing at its .well-known addresses; check the issuer, or set "tokenEndpoint"`,
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

/** What configuration requires of a token endpoint is required of a discovered one. */
function endpointFault(
  endpoint: string,
  issuer: string,
  allowPlaintext: boolean,
): string | undefined {
  if (!isEndpointUrl(endpoint)) {
    return 'its token endpoint is not an http(s) URL without user and fragment'
  }
  // Even on this machine: an issuer that uses TLS has no reason to send its clients to a local port.
  const isDowngrade =
    new URL(endpoint).protocol === 'http:' && new URL(issuer).protocol === 'https:'
  return (isDowngrade || isRemotePlaintext(endpoint)) && !allowPlaintext
    ? 'its token endpoint is not https; "allowPlaintext: true" permits that'
    : undefined
}

function unusable(issuer: string, why: string, cause?: unknown): SidecarError {
  const message = `Cannot use the metadata of "${issuer}": ${why}`
  return new SidecarError('token_invalid', message, { cause })
}
