import type { Runtime } from '../runtimes.ts'

/** What is known about an application and its sidecar. Findings are derived from it. */
export type DoctorFacts = {
  readonly configuration: ConfigurationFacts
  /** Undefined if nothing was given that describes the application. */
  readonly application: ApplicationFacts | undefined
  readonly sidecar: SidecarFacts | { readonly fault: string }
  /** Whether the application has run to its end, with this sidecar for it alone. */
  readonly isComplete: boolean
  readonly network: NetworkFacts
}

export type ConfigurationFacts = {
  /** The hosts that routes name, as they are written there. */
  readonly hosts: readonly string[]
  /** The ports of TCP listeners for proxy requests. */
  readonly proxyPorts: readonly number[]
  readonly adminPort: number | undefined
  readonly transparent: readonly { readonly host: string; readonly port: number }[]
  readonly intercepts: boolean
}

export type ApplicationFacts = {
  readonly env: Readonly<Record<string, string | undefined>>
  /** The runtimes that it may be; empty if unknown. */
  readonly runtimes: readonly Runtime[]
  /** Whether the CA of the sidecar is in a file that a variable names; undefined if it is not known. */
  readonly trust: ReadonlyMap<string, TrustFile>
}

/** Whether a file that a variable names contains the CA of the sidecar. */
export type TrustFile = 'trusted' | 'other' | 'unreadable'

/** From `/status` of the running sidecar. */
export type SidecarFacts = {
  readonly ready: boolean
  readonly reasons: readonly string[]
  /** Completed requests. */
  readonly requests: number
  readonly interception: readonly InterceptedHostFacts[]
  /** Connections that transparent listeners closed, by reason. */
  readonly rejected: Readonly<Record<string, number>>
  /** The latest kinds of failure. */
  readonly failures: readonly {
    readonly code: string
    readonly reason: string
    readonly advice: string
  }[]
}

export type InterceptedHostFacts = {
  readonly host: string
  /** By outcome. */
  readonly handshakes: Readonly<Record<string, number>>
  readonly reason: string | undefined
}

export type NetworkFacts = {
  /** What the name service answers to this program, by host; only for hosts without a wildcard. */
  readonly addresses: ReadonlyMap<
    string,
    { readonly addresses: readonly string[] } | { readonly fault: string }
  >
  /** The rules of nftables; undefined if they cannot be read. */
  readonly nftables: string | undefined
}

/** The faults that are recognised. Documented in docs/exec.md. */
type FindingCode =
  | 'proxy_ignored'
  | 'no_proxy'
  | 'wrong_port'
  | 'ca_not_trusted'
  | 'certificate_pinned'
  | 'http2_required'
  | 'no_server_name'
  | 'encrypted_client_hello'
  | 'ipv6_bypass'
  | 'dns'
  | 'interception_off'
  | 'sidecar_unreachable'
  | 'sidecar_not_ready'
  | 'request_failed'
  | 'nothing_arrived'

export type DoctorFinding = {
  readonly code: FindingCode
  /** Null if it concerns every host. */
  readonly host: string | null
  /** Null if it concerns every runtime, or the runtime is unknown. */
  readonly runtime: string | null
  readonly message: string
  readonly fix: string
}
