import { median } from '../measure/statistics.ts'
import type { MemoryFigures } from './figures.ts'
import { formatCount, formatNumber } from './format.ts'
import { markdownTable } from './markdown-table.ts'

export function memoryTable({ restBytes, hour, aborted, ...under }: MemoryFigures): string {
  const quarter = Math.ceil(hour.residentBytes.length / 4)
  const requests = formatCount(hour.requests)
  return markdownTable(
    ['', 'resident MB'],
    [
      ['at rest', megabytes(restBytes)],
      ['under 32 connections, the most', megabytes(under.under32Bytes)],
      ['under 256 connections, the most', megabytes(under.under256Bytes)],
      [
        `first quarter of ${requests} requests, median`,
        megabytes(median(hour.residentBytes.slice(0, quarter))),
      ],
      ['last quarter of them, median', megabytes(median(hour.residentBytes.slice(-quarter)))],
      [`before ${formatCount(aborted.requests)} aborted requests`, megabytes(aborted.beforeBytes)],
      ['after half of them', megabytes(aborted.halfWayBytes)],
      ['after all of them', megabytes(aborted.afterBytes)],
    ],
  )
}

function megabytes(bytes: number): string {
  return formatNumber(bytes / 1_000_000)
}
