import type { CaseResult, EntryResult, Round } from '../measure/result.ts'
import { median, summarise } from '../measure/statistics.ts'
import {
  cpuPerMegabyte,
  cpuPerRequest,
  megabytesPerSecond,
  ratios,
  requestsPerSecond,
  residentMegabytes,
} from './figures.ts'
import { formatNumber, formatSummary } from './format.ts'
import { markdownTable } from './markdown-table.ts'

type Column = {
  readonly title: string
  readonly cell: (rounds: readonly Round[], base: readonly Round[] | undefined) => string
}

const CPU: Column = {
  title: 'CPU µs/request (spread)',
  cell: (rounds) => summaryOf(rounds, cpuPerRequest),
}
const CPU_PER_MB: Column = {
  title: 'CPU µs/MB (spread)',
  cell: (rounds) => summaryOf(rounds, cpuPerMegabyte),
}
const MB_PER_SECOND: Column = {
  title: 'MB/s (spread)',
  cell: (rounds) => summaryOf(rounds, megabytesPerSecond),
}
const PER_SECOND: Column = {
  title: 'requests/s',
  cell: (rounds) => formatNumber(median(rounds.map(requestsPerSecond))),
}
const LATENCY: readonly Column[] = [
  { title: 'p50 ms (spread)', cell: (rounds) => summaryOf(rounds, ({ p50Ms }) => p50Ms) },
  { title: 'p99 ms (spread)', cell: (rounds) => summaryOf(rounds, ({ p99Ms }) => p99Ms) },
  { title: 'added p50 ms', cell: (rounds, base) => added(rounds, base, ({ p50Ms }) => p50Ms) },
  { title: 'added p99 ms', cell: (rounds, base) => added(rounds, base, ({ p99Ms }) => p99Ms) },
]
const RESIDENT: Column = {
  title: 'resident MB',
  cell: (rounds) => formatNumber(median(rounds.map(residentMegabytes))),
}
/** The change from the first round to the last, for large bodies. */
const RESIDENT_CHANGE: Column = {
  title: 'resident MB, first → last round',
  cell: (rounds) => {
    const values = rounds.map(residentMegabytes)
    const [first = Number.NaN, last = Number.NaN] = [values.at(0), values.at(-1)]
    return Number.isNaN(first) ? '–' : `${formatNumber(first)} → ${formatNumber(last)}`
  },
}
const GROWTH: Column = {
  title: '× the first',
  cell: (rounds, base) => ratioOf(rounds, base),
}
const RATIO: Column = {
  title: '× bare loop',
  cell: (rounds, base) => ratioOf(rounds, base),
}

/** Formats a case as a heading, a table and notes on missing figures. */
export function caseTable(result: CaseResult): string {
  const { name, title, entries } = result
  const rows = entries
    .filter(({ leftOut }) => leftOut === undefined)
    .map((entry) => [entry.contender + entry.label, ...cellsOf(entry, result)])
  const notes = entries.flatMap(noteOf).join('\n')
  const head = ['', ...columnsOf(result).map((column) => column.title)]
  const table = rows.length === 0 ? '' : `\n${markdownTable(head, rows)}`
  return `### ${title} (\`${name}\`)\n${table}${notes === '' ? '' : `\n${notes}\n`}`
}

function columnsOf({ shows }: CaseResult): readonly Column[] {
  switch (shows) {
    case 'latency': {
      return [...LATENCY, CPU, RESIDENT]
    }
    case 'throughput': {
      return [CPU_PER_MB, MB_PER_SECOND, RESIDENT_CHANGE, RATIO]
    }
    case 'growth': {
      return [CPU, PER_SECOND, RESIDENT, GROWTH]
    }
    case undefined: {
      return [CPU, PER_SECOND, RESIDENT, RATIO]
    }
  }
}

function cellsOf(entry: EntryResult, result: CaseResult): string[] {
  const columns = columnsOf(result)
  if (entry.failure !== undefined || entry.rounds.length === 0) {
    return columns.map((_column, index) => (index === 0 ? 'failed' : ''))
  }
  /** The first entry of a contender, which has the fewest routes or connections. */
  const base = (name: string): readonly Round[] | undefined =>
    result.entries.find(({ contender, rounds }) => contender === name && rounds.length > 0)?.rounds
  const bare = base('bare-dispatch') ?? base('bare-http2')
  const compared = { latency: base('no-proxy'), growth: base(entry.contender), throughput: bare }
  const rounds = result.shows === undefined ? bare : compared[result.shows]
  return columns.map((column) => column.cell(entry.rounds, rounds))
}

/** The median of the per-round ratios. */
function ratioOf(rounds: readonly Round[], base: readonly Round[] | undefined): string {
  return base === undefined ? '–' : formatNumber(median(ratios(rounds, base, cpuPerRequest)))
}

function noteOf({ contender, label, leftOut, failure }: EntryResult): string[] {
  if (failure !== undefined) return [`- **${contender}${label} failed:** ${failure}`]
  if (leftOut !== undefined) return [`- ${contender}${label}: – (${leftOut})`]
  return []
}

function summaryOf(rounds: readonly Round[], figure: (round: Round) => number): string {
  return formatSummary(summarise(rounds.map(figure)))
}

function added(
  rounds: readonly Round[],
  base: readonly Round[] | undefined,
  figure: (round: Round) => number,
): string {
  if (base === undefined) return '–'
  return formatNumber(median(rounds.map(figure)) - median(base.map(figure)))
}
