/** What is sent, and how. */
export type Load = {
  readonly origin: string
  readonly path: string
  readonly method: 'GET' | 'POST'
  readonly bodyBytes: number
  readonly headers: readonly (readonly [name: string, value: string])[]
  readonly connections: number
  readonly http2: boolean
  /** Requests at once on each connection of HTTP/2. */
  readonly streams: number
  readonly answerBytes: number
  readonly isGrpc: boolean
  readonly seconds: number
}

export type Outcome = {
  readonly requests: number
  readonly seconds: number
  readonly p50Ms: number
  readonly p99Ms: number
  /** What went wrong, in words, if anything did. */
  readonly failure?: string
}

export type SendLoad = (load: Load) => Promise<Outcome>
