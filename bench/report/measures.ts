import type { Round } from '../measure/result.ts'
import { median, summarise } from '../measure/statistics.ts'
import {
  cpuPerRequest,
  type Figures,
  megabytesPerSecond,
  type MemoryFigures,
  ratios,
  residentMegabytes,
  roundsOf,
} from './figures.ts'
import { formatCount, formatNumber } from './format.ts'

type Measured =
  /** `detail` contains the spread and further explanation. */
  | { readonly value: number; readonly detail: string }
  /** Completes "not measured: …". */
  | { readonly missing: string }

export type Measure = (figures: Figures) => Measured

type OfOne = { readonly inCase: string; readonly of: string; readonly label?: string }
type OfTwo = OfOne & { readonly to: string }
type Figure = { readonly figure: (round: Round) => number }

/** The median of the per-round ratios. */
function ratioOf({ figure, ...which }: OfTwo & Figure): Measure {
  return (figures) => {
    const rounds = roundsOf(figures, which)
    const others = roundsOf(figures, { inCase: which.inCase, of: which.to })
    if (rounds === undefined || others === undefined) return missing(figures, which)
    const { median: value, min, max } = summarise(ratios(rounds, others, figure))
    return { value, detail: `${formatNumber(min)}–${formatNumber(max)}` }
  }
}

export function cpuRatio(which: OfTwo): Measure {
  return ratioOf({ ...which, figure: cpuPerRequest })
}

export function throughputRatio(which: OfTwo): Measure {
  return ratioOf({ ...which, figure: megabytesPerSecond })
}

/** The latency added to that without a proxy. */
export function addedLatency({ figure, ...which }: OfOne & Figure): Measure {
  return (figures) => {
    const rounds = roundsOf(figures, which)
    const direct = roundsOf(figures, { inCase: which.inCase, of: 'no-proxy' })
    if (rounds === undefined || direct === undefined) {
      return missing(figures, { ...which, to: 'no-proxy' })
    }
    const [with_, without] = [median(rounds.map(figure)), median(direct.map(figure))]
    return {
      value: with_ - without,
      detail: `${formatNumber(with_)} ms, without a proxy ${formatNumber(without)} ms`,
    }
  }
}

export function addedLatencyRatio({ figure, to, ...which }: OfTwo & Figure): Measure {
  return (figures) => {
    const own = addedLatency({ ...which, figure })(figures)
    const other = addedLatency({ inCase: which.inCase, of: to, figure })(figures)
    if ('missing' in own) return own
    if ('missing' in other) return other
    return {
      // A ratio is undefined if the other contender adds no measurable latency.
      value: other.value > 0 ? Math.max(0, own.value / other.value) : Number.NaN,
      detail: `adds ${formatNumber(own.value)} ms (${own.detail}); ${to} ${formatNumber(other.value)} ms (${other.detail})`,
    }
  }
}

export function residentGrowth(which: OfOne): Measure {
  return (figures) => {
    const values = roundsOf(figures, which)?.map(residentMegabytes)
    const [first, last] = [values?.at(0), values?.at(-1)]
    if (first === undefined || last === undefined) return missing(figures, which)
    return {
      value: last / first,
      detail: `${formatNumber(first)} MB → ${formatNumber(last)} MB`,
    }
  }
}

export function memoryMegabytes(part: (memory: MemoryFigures) => number): Measure {
  return ({ memory }) =>
    memory === undefined
      ? { missing: 'see "npm run bench -- memory"' }
      : { value: part(memory) / 1_000_000, detail: '' }
}

export const hourGrowth: Measure = ({ memory }) => {
  if (memory === undefined) return { missing: 'see "npm run bench -- memory"' }
  const { requests, residentBytes } = memory.hour
  const quarter = Math.ceil(residentBytes.length / 4)
  const first = median(residentBytes.slice(0, quarter)) / 1_000_000
  const last = median(residentBytes.slice(-quarter)) / 1_000_000
  return {
    value: last / first,
    detail: `${formatNumber(first)} MB → ${formatNumber(last)} MB in ${formatCount(requests)} requests`,
  }
}

export const tokenRequestsPerLifetime: Measure = ({ tokens }) => {
  if (tokens === undefined) return { missing: 'see "npm run bench -- tokens"' }
  const { tokenRequests, seconds, expected, requests, burst } = tokens
  return {
    value: Math.max(tokenRequests / expected, burst.tokenRequests),
    detail: `${tokenRequests} in ${formatNumber(seconds)} s for ${formatCount(requests)} requests, ${expected} expected; ${burst.tokenRequests} for ${burst.requests} concurrent first requests`,
  }
}

export const startMs: Measure = ({ start }) => {
  if (start === undefined) return { missing: 'see "npm run bench -- start"' }
  const { median: value, min, max } = summarise(start.readyMs)
  return {
    value,
    detail: `${formatNumber(min)}–${formatNumber(max)} in ${start.readyMs.length} starts`,
  }
}

/** Explains why a figure is missing from this run. */
function missing({ cases }: Figures, { inCase, of, to }: OfOne & { readonly to?: string }) {
  const found = cases.find(({ name }) => name === inCase)
  if (found === undefined) return { missing: `the case "${inCase}" was not run` }
  for (const name of to === undefined ? [of] : [of, to]) {
    const entries = found.entries.filter(({ contender }) => contender === name)
    if (entries.length === 0) return { missing: `${name} was not run` }
    const failedEntry = entries.find(({ failure }) => failure !== undefined)
    if (failedEntry !== undefined) return { missing: `${name} failed` }
    const leftOut = entries.find(({ rounds }) => rounds.length === 0)?.leftOut
    if (leftOut !== undefined) return { missing: leftOut }
  }
  return { missing: 'it has no rounds' }
}
