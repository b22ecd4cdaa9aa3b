// Numbers and times in words.

/** @param {number} seconds */
export function duration(seconds) {
  const whole = Math.max(0, Math.round(seconds))
  if (whole < 60) return `${whole} s`
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`
  if (whole < 86_400) return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`
  return `${Math.floor(whole / 86_400)} d ${Math.floor((whole % 86_400) / 3600)} h`
}

/**
 * The largest unit alone.
 *
 * @param {number} seconds
 */
export function roughly(seconds) {
  const [largest = ''] = duration(seconds).split(/(?<=[a-z]) /)
  return largest
}

/** @param {number} seconds */
export function latencyText(seconds) {
  if (seconds === 0) return '0'
  if (seconds >= 10) return `${Math.round(seconds)} s`
  if (seconds >= 1) return `${trimmed(seconds.toFixed(1))} s`
  return seconds >= 0.01
    ? `${Math.round(seconds * 1000)} ms`
    : `${trimmed((seconds * 1000).toFixed(1))} ms`
}

/** @param {number} perSecond */
export function rateText(perSecond) {
  if (perSecond === 0) return '0/s'
  if (perSecond < 0.1) return `${perSecond.toFixed(2)}/s`
  return perSecond < 10
    ? `${trimmed(perSecond.toFixed(1))}/s`
    : `${Math.round(perSecond).toLocaleString('en-GB')}/s`
}

/** @param {number} share */
export function percent(share) {
  if (share === 0) return '0%'
  if (share < 0.001) return '<0.1%'
  return share < 0.1 ? `${trimmed((share * 100).toFixed(1))}%` : `${Math.round(share * 100)}%`
}

/** @param {string} decimal */
function trimmed(decimal) {
  return decimal.replace(/\.0$/, '')
}

/** @param {Date} date */
export function clockTime(date) {
  return date.toLocaleTimeString('en-GB')
}

/**
 * @param {number} count
 * @param {number} troubled
 * @param {string} what
 */
export function countOf(count, troubled, what) {
  return troubled === 0 ? String(count) : `${count}, ${troubled} ${what}`
}

/** @param {string} credential */
export function renewCommand(credential) {
  return `curl -X POST ${location.origin}/credentials/${credential}/renew`
}
