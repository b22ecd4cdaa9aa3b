import type { Processes } from '../system/processes.ts'

/** What the benchmark measures: something that takes plain HTTP and passes it on with a token. */
export type Contender = {
  readonly name: string
  /** What it is, for the report. */
  readonly about: string
  find(): Promise<Found>
  /** Why it can't do this, if it can't. */
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
  /** Whether the application and the upstream speak HTTP/2, both with prior knowledge. */
  readonly http2: 'neither' | 'both' | 'upstream'
}

export type Setting = Needs & {
  readonly upstream: { readonly origin: string; readonly port: number }
  /** Who has signed the upstream's certificate. */
  readonly authorityFile: string
  /** A real token, for those who do not fetch their own. */
  readonly token: string
  readonly tokenEndpoint: string
  /** For its files; nobody else's. */
  readonly directory: string
  readonly processes: Processes
  readonly cores: string | undefined
}

export type Running = {
  /** Where to send requests. */
  readonly origin: string
  /** The header that the load has to bring along itself. */
  readonly authorization?: string
  /** The processes whose time and memory count. */
  readonly pids: readonly number[]
  stop(): Promise<void>
}
