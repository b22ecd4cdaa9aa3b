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
  let metadata: unknown
  try {
    metadata = await response.json()
  } catch (cause) {
    throw new SidecarError('token_invalid', `Cannot read the metadata of "${issuer}": no JSON`, {
      cause,
    })
  }
  if (typeof metadata !== 'object' || metadata === null) throw unusable(issuer, 'no JSON object')
  // RFC 8414 section 3.3: identical, to the character.
  const stated = 'issuer' in metadata ? metadata.issuer : undefined
  if (stated !== issuer) {
    const slash =
      typeof stated === 'string' && stated.replace(/\/$/, '') === issuer.replace(/\/$/, '')
    throw unusable(
      issuer,
      slash
        ? 'its own issuer differs in the slash at the end; configure it exactly so'
        : 'it names another issuer',
    )
  }
  const endpoint = endpointOf(metadata)
  if (endpoint === undefined) throw unusable(issuer, 'it has no token endpoint')
  // RFC 8705 section 5: where clients with a certificate go instead.
  const aliases = 'mtls_endpoint_aliases' in metadata ? metadata.mtls_endpoint_aliases : undefined
  const alias = endpointOf(aliases)
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

function endpointOf(metadata: unknown): string | undefined {
  if (typeof metadata !== 'object' || metadata === null) return undefined
  const endpoint = 'token_endpoint' in metadata ? metadata.token_endpoint : undefined
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

function unusable(issuer: string, why: string): SidecarError {
  return new SidecarError('token_invalid', `Cannot use the metadata of "${issuer}": ${why}`)
}
