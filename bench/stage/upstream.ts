import type { Processes } from '../system/processes.ts'

/**
 * The API behind every contender. It rejects a request without a bearer token of the expected length
 * with 401, and a body that does not match the announced length with 400.
 */
export type Upstream = {
  readonly http: string
  readonly https: string
  /** HTTP/2 with prior knowledge. */
  readonly http2: string
  /** The software that it runs on, for the report. */
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

/** The accepted token lengths; they vary with the number of digits in the token's timestamps. */
export function tokenLengths(token: string): { readonly min: number; readonly max: number } {
  return { min: token.length - 16, max: token.length + 16 }
}
