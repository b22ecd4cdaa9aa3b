import * as oauth from 'oauth4webapi'
import { SidecarError } from '../errors.ts'
import { isLoopbackHost } from '../lib/loopback.ts'
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
  /** Whether a discovered endpoint may be `http:` on another machine. */
  readonly allowPlaintext: boolean
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

async function discover(
  { issuer, client, allowPlaintext }: DiscoveryOptions,
  signal: AbortSignal,
): Promise<oauth.AuthorizationServer> {
  const identifier = new URL(issuer)
  for (const algorithm of ['oauth2', 'oidc'] as const) {
    const response = await oauth.discoveryRequest(identifier, {
      algorithm,
      signal,
      [oauth.allowInsecureRequests]: true,
      [oauth.customFetch]: client.fetch,
    })
    if (response.status >= 500 || response.status === 429) {
      throw new SidecarError(
        'token_unavailable',
        `Cannot read the metadata of "${issuer}": status ${response.status}`,
      )
    }
    if (response.status !== 200) continue
    return await readMetadata(response, issuer, allowPlaintext)
  }
  throw new SidecarError(
    'token_invalid',
    `Cannot find the metadata of "${issuer}": nothing at its .well-known addresses; check the issuer, or set "tokenEndpoint"`,
  )
}

async function readMetadata(
  response: Response,
  issuer: string,
  allowPlaintext: boolean,
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
    if (!isPrivateWay(url) && !allowPlaintext)
      throw unusable(issuer, 'its token endpoint is not https')
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

function isPrivateWay(endpoint: string): boolean {
  const { protocol, hostname } = new URL(endpoint)
  return protocol === 'https:' || isLoopbackHost(hostname)
}

function unusable(issuer: string, why: string): SidecarError {
  return new SidecarError('token_invalid', `Cannot use the metadata of "${issuer}": ${why}`)
}
