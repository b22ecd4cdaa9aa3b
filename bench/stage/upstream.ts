import type { Processes } from '../system/processes.ts'

/**
 * The API behind every contender. It checks each request: without a bearer token of the right
 * length it answers 401, with a body of another length than announced 400.
 */
export type Upstream = {
  readonly http: string
  readonly https: string
  /** HTTP/2 with prior knowledge. */
  readonly http2: string
  /** What it runs on, for the report. */
  readonly note: string
}

export type UpstreamOptions = {
  readonly processes: Processes
  readonly directory: string
  readonly cores: string | undefined
  readonly token: string
  readonly certificateFile: string
  readonly keyFile: string
}

/** How long a token may be that the upstream takes for the real one: the digits of its times vary. */
export function tokenLengths(token: string): { readonly least: number; readonly most: number } {
  return { least: token.length - 16, most: token.length + 16 }
}
