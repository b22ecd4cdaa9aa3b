/** `Retry-After` (RFC 9110 section 10.2.3), a number of seconds or a date, as milliseconds from now. */
export function parseRetryAfterMs(value: string | null, nowWallMs: number): number | undefined {
  if (value === null) return undefined
  if (/^\d+$/.test(value)) return Number(value) * 1000
  const date = value.endsWith('GMT') ? Date.parse(value) : Number.NaN
  return Number.isNaN(date) ? undefined : Math.max(0, date - nowWallMs)
}
