/** What one window of load came to. */
export type Round = {
  readonly requests: number
  readonly seconds: number
  /** Bodies that went through whole, in both directions. */
  readonly bodyBytes: number
  /** Of all processes of the contender; none where there is no process. */
  readonly cpuMicros?: number
  /** The most that was resident during the window. */
  readonly residentBytes?: number
  readonly p50Ms: number
  readonly p99Ms: number
}

export type EntryResult = {
  readonly contender: string
  /** What sets it apart from others of the same contender. */
  readonly label: string
  readonly rounds: readonly Round[]
  /** Why it has no figures, although that is nobody's fault. */
  readonly leftOut?: string
  /** What it did wrong. */
  readonly failure?: string
}

export type CaseResult = {
  readonly name: string
  readonly title: string
  readonly shows?: 'latency' | 'throughput' | 'growth' | undefined
  readonly entries: readonly EntryResult[]
}
