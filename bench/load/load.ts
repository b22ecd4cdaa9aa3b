/** The requests that a load generator sends, their concurrency and duration. */
export type Load = {
  readonly origin: string
  readonly path: string
  readonly method: 'GET' | 'POST'
  readonly bodyBytes: number
  readonly headers: readonly (readonly [name: string, value: string])[]
  readonly connections: number
  readonly http2: boolean
  /** Concurrent requests on each HTTP/2 connection. */
  readonly streams: number
  readonly responseBytes: number
  readonly isGrpc: boolean
  readonly seconds: number
}

export type Outcome = {
  readonly requests: number
  readonly seconds: number
  readonly p50Ms: number
  readonly p99Ms: number
  /** A description of what failed, if anything did. */
  readonly failure?: string
}

export type SendLoad = (load: Load) => Promise<Outcome>
