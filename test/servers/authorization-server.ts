import type { Processes } from '../../bench/system/processes.ts'
import type { Client } from './clients.ts'
import type { HttpClient } from './http-client.ts'
import type { Installer } from './installer.ts'

/** How the client authenticates, as `auth.method` has it. */
export type Method =
  | 'client_secret_basic'
  | 'client_secret_post'
  | 'client_secret_jwt'
  | 'private_key_jwt'
  | 'tls_client_auth'
  | 'self_signed_tls_client_auth'
  | 'client_assertion_file'

/** One row of the result: a client, and what its credential needs beyond the defaults. */
export type Case = {
  readonly id: string
  readonly method: Method
  /** More members of `auth`, such as `audience`. */
  readonly auth?: Readonly<Record<string, unknown>>
  /** More members of the credential, such as `dpop`. */
  readonly credential?: Readonly<Record<string, unknown>>
  /** Bound to a key of the sidecar (RFC 9449). */
  readonly isBound?: boolean
  /** Leaves `clientId` out: the assertion alone says who the client is (RFC 7523 section 3). */
  readonly isUnnamed?: boolean
  /** The assertion is the token of a Kubernetes service account, issued by its cluster. */
  readonly isWorkload?: boolean
}

export type AuthorizationServer = {
  readonly name: string
  readonly title: string
  readonly cases: readonly Case[]
  /** What the API asks about a token: the keys of the server, or the server itself (RFC 7662). */
  readonly validation: 'JWKS' | 'introspection'
  /** Returns the version, or throws `NotInstallable`. */
  install(installer: Installer): Promise<string>
  /** Starts it, or starts it again with the state that it has left in `directory`. */
  start(stage: Stage): Promise<RunningServer>
}

/** What a server is given to run with. It is the same before and after a restart. */
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
  /** The audience that a client may ask for, or that the server puts into every token. */
  readonly audience: string
  /** Where the public key of a client is served, for servers that do not take it inline. */
  jwksUrl(clientId: string): string
  /** Who issues the tokens of workloads. */
  readonly clusterIssuer: string
}

export type VerifiedToken = {
  readonly scopes: readonly string[]
  readonly audience: readonly string[]
  /** The thumbprint of the key that the token is bound to. */
  readonly jkt: string | undefined
}

export type RunningServer = {
  /** What the credential names: `issuer`, or `tokenEndpoint` for a server without discovery. */
  readonly address: { readonly issuer: string } | { readonly tokenEndpoint: string }
  /** The `aud` of assertions that something other than the sidecar writes. */
  readonly assertionAudience: string
  /** Creates the client, or replaces its credentials. */
  register(client: Client): Promise<void>
  /** Throws if the token is not active. */
  verify(token: string): Promise<VerifiedToken>
  /** Ends the life of a token at the server; only with introspection does the API notice. */
  revoke?(token: string, client: Client): Promise<void>
  stop(): Promise<void>
}

/** Why a server cannot be had on this machine. */
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
