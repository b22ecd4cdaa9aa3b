// The status of the sidecar, and the samples of the last ten minutes.

/** @import { Status } from '../status.ts' */
/** @import { HistoryReading } from '../../observe/route-history.ts' */

export const POLL_MS = 5_000

/**
 * The samples of one route, newest last.
 *
 * @typedef {{
 *   requests: number[],
 *   errors: number[],
 *   rejections: number[],
 *   p50Seconds: (number | null)[],
 *   p95Seconds: (number | null)[],
 * }} Samples
 */

/** @type {Status | undefined} */
export let status
/** When the sidecar stopped responding. */
export let /** @type {Date | undefined} */ silentSince

/** @type {Map<string, Samples>} */
export let samplesByRoute = new Map()
/** The process that the samples come from, and the newest of them. */
export let known = { startedAt: '', latest: 0, length: 60, intervalSeconds: 10 }

/** When the status was received, by the monotonic clock. */
let receivedAtMs = 0

export async function refresh() {
  try {
    const signal = AbortSignal.timeout(POLL_MS - 500)
    const response = await ask('/status', signal)
    if (response.startedAt !== known.startedAt) {
      samplesByRoute = new Map()
      known = { ...known, startedAt: response.startedAt, latest: 0 }
    }
    addSamples(await ask(`/status/history?after=${known.latest}`, signal))
    status = response
    receivedAtMs = performance.now()
    silentSince = undefined
  } catch {
    silentSince ??= new Date()
  }
}

/**
 * @param {string} path
 * @param {AbortSignal} signal
 */
async function ask(path, signal) {
  const response = await fetch(path, { signal, cache: 'no-store' })
  if (!response.ok) throw new Error(`${path} responded with ${response.status}`)
  return await response.json()
}

/** @param {HistoryReading} reading */
function addSamples({ latest, length, intervalSeconds, routes }) {
  const count = Math.min(latest - known.latest, length)
  if (count > 0) {
    const news = new Map(routes.map((route) => [route.route, route]))
    for (const name of new Set([...samplesByRoute.keys(), ...news.keys()])) {
      const before = samplesByRoute.get(name)
      const added = news.get(name)
      /**
       * @template T
       * @param {readonly T[] | undefined} old
       * @param {readonly T[] | undefined} next
       * @param {T} nothing
       */
      const joined = (old, next, nothing) =>
        [...(old ?? []), ...(next ?? Array.from({ length: count }, () => nothing))].slice(-length)
      samplesByRoute.set(name, {
        requests: joined(before?.requests, added?.requests, 0),
        errors: joined(before?.errors, added?.errors, 0),
        rejections: joined(before?.rejections, added?.rejections, 0),
        p50Seconds: joined(before?.p50Seconds, added?.p50Seconds, null),
        p95Seconds: joined(before?.p95Seconds, added?.p95Seconds, null),
      })
    }
  }
  known = { ...known, latest, length, intervalSeconds }
}

/**
 * By the clock of the sidecar, because the clock of this machine may differ.
 *
 * @param {string} iso
 */
export function secondsSince(iso) {
  const sinceReceived = performance.now() - receivedAtMs
  return (Date.parse(status?.at ?? iso) - Date.parse(iso) + sinceReceived) / 1000
}

/** @param {string} iso */
export function secondsUntil(iso) {
  return -secondsSince(iso)
}
