import type { CaseResult, EntryResult, Round } from '../measure/result.ts'

/** Everything that a run has found out; what it did not look for is not there. */
export type Figures = {
  readonly cases: readonly CaseResult[]
  /** How the cases were compared: for whoever reads the raw figures. */
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
    /** At even intervals from the first request to the last. */
    readonly residentBytes: readonly number[]
  }
  readonly aborted: {
    readonly requests: number
    readonly beforeBytes: number
    /** After half of them, which have also filled whatever fills once. */
    readonly halfWayBytes: number
    readonly afterBytes: number
  }
}

export type StartFigures = { readonly readyMs: readonly number[] }

export type TokenFigures = {
  readonly lifetimeSeconds: number
  /** Token requests, if there is one for each lifetime. */
  readonly expected: number
  readonly seconds: number
  readonly requests: number
  readonly tokenRequests: number
  /** Requests that came at once, when nobody had a token, and the token requests they caused. */
  readonly burst: { readonly requests: number; readonly tokenRequests: number }
}

export function mergeFigures(some: Figures, more: Figures): Figures {
  return { ...some, ...more, cases: [...some.cases, ...more.cases] }
}

/** A figure of each round of one entry, if it was measured and did nothing wrong. */
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

/** Of the same rounds, one by one, so that what slows both down in one of them does not count. */
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
