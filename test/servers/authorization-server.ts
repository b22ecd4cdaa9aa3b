import type { Processes } from '../../bench/system/processes.ts'
import type { Client } from './clients.ts'
import type { HttpClient } from './http-client.ts'
import type { Installer } from './installer.ts'

/** The value of `auth.method`. */
export type Method =
  | 'client_secret_basic'
  | 'client_secret_post'
  | 'client_secret_jwt'
  | 'private_key_jwt'
  | 'tls_client_auth'
  | 'self_signed_tls_client_auth'
  | 'client_assertion_file'

/** One row of the table: a client, and the settings of its credential that are not defaults. */
export type Case = {
  readonly id: string
  readonly method: Method
  /** Further members of `auth`, such as `audience`. */
  readonly auth?: Readonly<Record<string, unknown>>
  /** Further members of the credential, such as `dpop`. */
  readonly credential?: Readonly<Record<string, unknown>>
  /** Bound to a key of the sidecar (RFC 9449). */
  readonly isBound?: boolean
  /** Omits `clientId`: the assertion identifies the client (RFC 7523 section 3). */
  readonly isUnnamed?: boolean
  /** The assertion is the token of a Kubernetes service account, issued by its cluster. */
  readonly isWorkload?: boolean
}

export type AuthorizationServer = {
  readonly name: string
  readonly title: string
  readonly cases: readonly Case[]
  /** How the API verifies a token: with the keys of the server, or by introspection (RFC 7662). */
  readonly validation: 'JWKS' | 'introspection'
  /** Returns the version, or throws `NotInstallable`. */
  install(installer: Installer): Promise<string>
  /** Starts it, after a restart with its previous state in `directory`. */
  start(stage: Stage): Promise<RunningServer>
}

/** The environment of a server, which is the same after a restart. */
export type Stage = {
  readonly directory: string
  readonly port: number
  readonly adminPort: number
  readonly tls: {
    readonly caFile: string
    readonly certificateFile: string
    readonly keyFile: string
    /** The authority and every self-signed certificate of a client, in PEM form. */
    readonly clientTrustFile: string
  }
  readonly processes: Processes
  readonly installer: Installer
  readonly http: HttpClient
  readonly lifetimeSeconds: number
  readonly scope: string
  /** The audience that a client may request, or that the server adds to every token. */
  readonly audience: string
  /** The URL of the public key of a client, for servers that fetch it. */
  jwksUrl(clientId: string): string
  /** The issuer of workload tokens. */
  readonly clusterIssuer: string
}

export type VerifiedToken = {
  readonly scopes: readonly string[]
  readonly audience: readonly string[]
  /** The thumbprint of the key that the token is bound to. */
  readonly jkt: string | undefined
}

export type RunningServer = {
  /** `issuer`, or `tokenEndpoint` for a server without discovery. */
  readonly address: { readonly issuer: string } | { readonly tokenEndpoint: string }
  /** The `aud` of the assertions in `client_assertion_file`. */
  readonly assertionAudience: string
  /** Creates the client, or replaces its credentials. */
  register(client: Client): Promise<void>
  /** Throws if the token is not active. */
  verify(token: string): Promise<VerifiedToken>
  /** Revokes a token at the server, which the API notices only with introspection. */
  revoke?(token: string, client: Client): Promise<void>
  stop(): Promise<void>
}

/** Why a server cannot be installed on this machine. */
export class NotInstallable extends Error {
  override name = 'NotInstallable'
}

/** Cases that several servers have. */
export const UNNAMED_ASSERTION: Case = {
  id: 'client_assertion_file, no clientId',
  method: 'client_assertion_file',
  isUnnamed: true,
}
export const DPOP: Case = {
  id: 'client_secret_basic, DPoP',
  method: 'client_secret_basic',
  credential: { dpop: {} },
  isBound: true,
}
