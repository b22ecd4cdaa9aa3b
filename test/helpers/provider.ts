import type { X509Certificate } from 'node:crypto'
import { createServer, type RequestListener } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { Socket } from 'node:net'
import { TLSSocket } from 'node:tls'
import {
  createLocalJWKSet,
  exportJWK,
  generateKeyPair,
  type JWTPayload,
  type JWTVerifyGetKey,
  jwtVerify,
} from 'jose'
import { type ClientMetadata, type Configuration, Provider } from 'oidc-provider'
import type { Certificate } from './certificates.ts'
import { portOf, startListening } from './servers.ts'

const API = 'https://orders.example.com'

export type ProviderOptions = {
  readonly clients: readonly ClientMetadata[]
  /** Serves https, and requests client certificates. */
  readonly tls?: Certificate & { readonly clientAuthority: string }
  readonly features?: Configuration['features']
  readonly configuration?: Configuration
}

export type RunningProvider = {
  readonly issuer: string
  readonly tokenEndpoint: string
  /** The status of every response of the token endpoint. */
  readonly statuses: readonly number[]
  /** Every client assertion with a valid signature. */
  readonly assertions: readonly { header: object; claims: object }[]
  /** The claims of an access token that this server has issued for `API`; rejects for any other. */
  verify(token: string): Promise<JWTPayload>
}

/** A real authorization server (oidc-provider) with these options. */
export async function startProvider(options: ProviderOptions): Promise<RunningProvider> {
  const { clients, tls, features, configuration } = options
  const handler = Promise.withResolvers<RequestListener>()
  const statuses: number[] = []
  const assertions: { header: object; claims: object }[] = []
  const listener: RequestListener = (req, res) => {
    if (req.url === '/token') res.once('finish', () => statuses.push(res.statusCode))
    void handler.promise.then((handle) => handle(req, res))
  }
  const server =
    tls === undefined
      ? createServer(listener)
      : createTlsServer(
          {
            cert: tls.certificate,
            key: tls.key,
            ca: tls.clientAuthority,
            requestCert: true,
            // The provider verifies the certificate, depending on the method of the client.
            rejectUnauthorized: false,
          },
          listener,
        )
  await startListening(server)
  const issuer =
    tls === undefined ? `http://127.0.0.1:${portOf(server)}` : `https://localhost:${portOf(server)}`
  const { jwk, keys } = await createTokenKey()
  const provider = new Provider(issuer, {
    clients: [...clients],
    scopes: ['orders.read'],
    jwks: { keys: [jwk] },
    cookies: { keys: ['unused: there is no login'] },
    assertJwtClientAuthClaimsAndHeader: (_ctx, claims, header) => {
      assertions.push({ claims, header })
    },
    clientAuthMethods: [
      'client_secret_basic',
      'client_secret_post',
      'client_secret_jwt',
      'private_key_jwt',
      'none',
      ...(tls === undefined ? [] : (['tls_client_auth', 'self_signed_tls_client_auth'] as const)),
    ],
    ...configuration,
    features: {
      devInteractions: { enabled: false },
      clientCredentials: { enabled: true },
      resourceIndicators: {
        enabled: true,
        defaultResource: () => API,
        getResourceServerInfo: () => ({
          audience: API,
          scope: 'orders.read',
          accessTokenTTL: 300,
          accessTokenFormat: 'jwt',
          jwt: { sign: { alg: 'RS256' } },
        }),
      },
      ...(tls !== undefined && { mTLS: MUTUAL_TLS }),
      ...features,
    },
  })
  const handle = provider.callback()
  handler.resolve((req, res) => void handle(req, res))
  return {
    issuer,
    tokenEndpoint: `${issuer}/token`,
    statuses,
    assertions,
    async verify(token) {
      const { payload } = await jwtVerify(token, keys, { issuer, audience: API, typ: 'at+jwt' })
      return payload
    },
  }
}

/** RFC 8705, with the certificate of the connection. */
const MUTUAL_TLS = {
  enabled: true,
  tlsClientAuth: true,
  selfSignedTlsClientAuth: true,
  certificateBoundAccessTokens: true,
  getCertificate: ({ socket }: { socket: Socket }) => clientCertificate(socket),
  certificateAuthorized: ({ socket }: { socket: Socket }) =>
    socket instanceof TLSSocket && socket.authorized,
  certificateSubjectMatches: ({ socket }: { socket: Socket }, property: string, expected: string) =>
    property === 'tls_client_auth_subject_dn' && clientCertificate(socket)?.subject === expected,
} as const

/** The client certificate of a connection. */
export function clientCertificate(socket: Socket): X509Certificate | undefined {
  return socket instanceof TLSSocket ? socket.getPeerX509Certificate() : undefined
}

async function createTokenKey(): Promise<{ jwk: object; keys: JWTVerifyGetKey }> {
  const { privateKey, publicKey } = await generateKeyPair('RS256', { extractable: true })
  const about = { alg: 'RS256', use: 'sig', kid: 'provider' }
  return {
    jwk: { ...(await exportJWK(privateKey)), ...about },
    keys: createLocalJWKSet({ keys: [{ ...(await exportJWK(publicKey)), ...about }] }),
  }
}

/** A client for the client credentials grant only. */
export function machineClient(metadata: ClientMetadata): ClientMetadata {
  return {
    grant_types: ['client_credentials'],
    redirect_uris: [],
    response_types: [],
    ...metadata,
  }
}
