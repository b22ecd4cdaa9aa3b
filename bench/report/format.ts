import type { Summary } from '../measure/statistics.ts'

/** Formats a number with as many digits as are significant. */
export function formatNumber(value: number): string {
  if (!Number.isFinite(value)) return '–'
  if (Math.abs(value) >= 1000) return Math.round(value).toLocaleString('en-GB')
  if (Math.abs(value) >= 100) return value.toFixed(0)
  return value.toFixed(Math.abs(value) >= 10 ? 1 : 2)
}

export function formatCount(count: number): string {
  return count.toLocaleString('en-GB')
}

export function formatSummary({ median, min, max }: Summary): string {
  if (Number.isNaN(median)) return '–'
  return `${formatNumber(median)} (${formatNumber(min)}–${formatNumber(max)})`
}
