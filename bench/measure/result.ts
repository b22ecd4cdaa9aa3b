/** The result of one period of load. */
export type Round = {
  readonly requests: number
  readonly seconds: number
  /** The bytes of all completely transferred bodies, in both directions. */
  readonly bodyBytes: number
  /** The CPU time of all processes of the contender; undefined without a process. */
  readonly cpuMicros?: number
  /** The peak resident memory. */
  readonly residentBytes?: number
  readonly p50Ms: number
  readonly p99Ms: number
}

export type EntryResult = {
  readonly contender: string
  /** The suffix that distinguishes it from other entries of the same contender. */
  readonly label: string
  readonly rounds: readonly Round[]
  /** Why the contender was skipped, such as an unsupported case. */
  readonly leftOut?: string
  /** Why the contender failed. */
  readonly failure?: string
}

export type CaseResult = {
  readonly name: string
  readonly title: string
  readonly shows?: 'latency' | 'throughput' | 'growth' | undefined
  readonly entries: readonly EntryResult[]
}
