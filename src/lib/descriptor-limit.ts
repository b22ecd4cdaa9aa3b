import { readFileSync } from 'node:fs'

/** How many file descriptors this process may have open; Infinity where that is not known. */
export function readDescriptorLimit(): number {
  try {
    return parseDescriptorLimit(readFileSync('/proc/self/limits', 'latin1'))
  } catch {
    return Infinity
  }
}

/** The soft limit in the text of `/proc/PID/limits`. Node raises it to the hard limit when it starts. */
export function parseDescriptorLimit(limits: string): number {
  const soft = /^Max open files\s+(?<soft>\d+)/m.exec(limits)?.groups?.['soft']
  return soft === undefined ? Infinity : Number(soft)
}

export type ConnectionBudget = {
  /** Connections of the application that are served. */
  readonly served: number
  /** Further ones that are open at the same time, to be refused with an explanation. */
  readonly surplus: number
  readonly admin: number
}

/** Listeners, the log, files, DNS, token requests and the trace exporter. */
const RESERVED = 64
const MAX_ADMIN = 128
const MIN_ADMIN = 8

/**
 * Divides the descriptors so that no kind of connection can use up those of another. A connection of the
 * application takes two, because there is one to the upstream for each; one that is refused takes one.
 */
export function divideDescriptors(limit: number, configured: number): ConnectionBudget {
  const admin = Math.max(MIN_ADMIN, Math.min(MAX_ADMIN, Math.floor(limit / 16)))
  const available = limit - RESERVED - admin
  const served = Math.max(1, Math.min(configured, Math.floor((available * 4) / 9)))
  const surplus = Math.max(1, Math.min(configured, available - 2 * served))
  return { served, surplus, admin }
}
