import type { Processes } from '../system/processes.ts'

/** A proxy under test: it receives plain HTTP and forwards it with a token. */
export type Contender = {
  readonly name: string
  /** A description for the report. */
  readonly about: string
  find(): Promise<Found>
  /** The reason why it does not support these needs; undefined if it does. */
  cannot?(needs: Needs): string | undefined
  start(setting: Setting): Promise<Running>
}

type Found =
  | { readonly isFound: true; readonly version: string }
  /** Completes "not measured: …". */
  | { readonly isFound: false; readonly missing: string }

export type Needs = {
  readonly routes: number
  readonly accessLog: boolean
  readonly upstreamTls: boolean
  /** The sides that use HTTP/2, both with prior knowledge. */
  readonly http2: 'neither' | 'both' | 'upstream'
}

export type Setting = Needs & {
  readonly upstream: { readonly origin: string; readonly port: number }
  /** The certificate of the CA that issued the upstream's certificate. */
  readonly authorityFile: string
  /** A real token, for contenders that do not fetch one themselves. */
  readonly token: string
  readonly tokenEndpoint: string
  /** A directory for the files of this contender only. */
  readonly directory: string
  readonly processes: Processes
  readonly cores: string | undefined
}

export type Running = {
  /** Where to send requests. */
  readonly origin: string
  /** The Authorization value that the load generator must send, if the contender adds none. */
  readonly authorization?: string
  /** The processes whose CPU time and memory are measured. */
  readonly pids: readonly number[]
  stop(): Promise<void>
}
