const DURATION_UNITS = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 }
const SIZE_UNITS = { B: 1, KiB: 1024, MiB: 1024 ** 2, GiB: 1024 ** 3 }

export const DURATION_PATTERN = /^\d+(?:\.\d+)?(?:ms|s|m|h)$/
export const SIZE_PATTERN = /^\d+(?:\.\d+)?(?:B|KiB|MiB|GiB)$/

/** `500ms`, `30s`, `1.5m`, `1h` → milliseconds. Expects text that DURATION_PATTERN accepts. */
export function parseDurationMs(text: string): number {
  return Math.round(parseQuantity(text, DURATION_UNITS))
}

/** `512B`, `64KiB`, `10MiB` → bytes. Expects text that SIZE_PATTERN accepts. */
export function parseSizeBytes(text: string): number {
  return Math.round(parseQuantity(text, SIZE_UNITS))
}

function parseQuantity(text: string, units: Readonly<Record<string, number>>): number {
  const unit = text.replace(/^[\d.]+/, '')
  return Number.parseFloat(text) * (units[unit] ?? Number.NaN)
}
