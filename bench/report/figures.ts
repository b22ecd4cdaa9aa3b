import type { CaseResult, EntryResult, Round } from '../measure/result.ts'

/** All figures of a run; those not measured are absent. */
export type Figures = {
  readonly cases: readonly CaseResult[]
  /** The setup of the comparison, for readers of the raw figures. */
  readonly setup?: object
  readonly memory?: MemoryFigures
  readonly start?: StartFigures
  readonly tokens?: TokenFigures
}

export type MemoryFigures = {
  readonly restBytes: number
  readonly under32Bytes: number
  readonly under256Bytes: number
  readonly hour: {
    readonly requests: number
    /** Samples at regular intervals from the first request to the last. */
    readonly residentBytes: readonly number[]
  }
  readonly aborted: {
    readonly requests: number
    readonly beforeBytes: number
    /** After half of the requests, when one-time allocations have been made. */
    readonly halfWayBytes: number
    readonly afterBytes: number
  }
}

export type StartFigures = { readonly readyMs: readonly number[] }

export type TokenFigures = {
  readonly lifetimeSeconds: number
  /** The expected token requests, one for each lifetime. */
  readonly expected: number
  readonly seconds: number
  readonly requests: number
  readonly tokenRequests: number
  /** Concurrent requests without a cached token, and the token requests that they caused. */
  readonly burst: { readonly requests: number; readonly tokenRequests: number }
}

export function mergeFigures(some: Figures, more: Figures): Figures {
  return { ...some, ...more, cases: [...some.cases, ...more.cases] }
}

/** The rounds of one entry; undefined if it was not measured or failed. */
export function roundsOf(
  { cases }: Figures,
  wanted: { readonly inCase: string; readonly of: string; readonly label?: string },
): readonly Round[] | undefined {
  const entry = cases
    .find(({ name }) => name === wanted.inCase)
    ?.entries.find((each) => isWanted(each, wanted))
  if (entry === undefined || entry.failure !== undefined || entry.rounds.length === 0) {
    return undefined
  }
  return entry.rounds
}

function isWanted(
  { contender, label }: EntryResult,
  wanted: { readonly of: string; readonly label?: string },
): boolean {
  return contender === wanted.of && label === (wanted.label ?? '')
}

export function cpuPerRequest({ cpuMicros = Number.NaN, requests }: Round): number {
  return cpuMicros / requests
}

export function requestsPerSecond({ requests, seconds }: Round): number {
  return requests / seconds
}

export function megabytesPerSecond({ bodyBytes, seconds }: Round): number {
  return bodyBytes / seconds / 1_000_000
}

export function cpuPerMegabyte({ cpuMicros = Number.NaN, bodyBytes }: Round): number {
  return cpuMicros / (bodyBytes / 1_000_000)
}

export function residentMegabytes({ residentBytes = Number.NaN }: Round): number {
  return residentBytes / 1_000_000
}

/** Ratios per round, so that a slowdown of both contenders in the same round cancels out. */
export function ratios(
  rounds: readonly Round[],
  others: readonly Round[],
  figure: (round: Round) => number,
): number[] {
  return rounds.flatMap((round, index) => {
    const other = others[index]
    return other === undefined ? [] : [figure(round) / figure(other)]
  })
}
