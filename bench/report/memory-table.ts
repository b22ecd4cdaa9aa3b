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
      ['under 32 connections, maximum', megabytes(under.under32Bytes)],
      ['under 256 connections, maximum', megabytes(under.under256Bytes)],
      [
        `first quarter of ${requests} requests, median`,
        megabytes(median(hour.residentBytes.slice(0, quarter))),
      ],
      [
        'last quarter of the requests, median',
        megabytes(median(hour.residentBytes.slice(-quarter))),
      ],
      [`before ${formatCount(aborted.requests)} aborted requests`, megabytes(aborted.beforeBytes)],
      ['after half of the aborted requests', megabytes(aborted.halfWayBytes)],
      ['after all aborted requests', megabytes(aborted.afterBytes)],
    ],
  )
}

function megabytes(bytes: number): string {
  return formatNumber(bytes / 1_000_000)
}
