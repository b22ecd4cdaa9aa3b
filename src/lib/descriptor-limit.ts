import { readFileSync } from 'node:fs'

/** The limit of open file descriptors of this process; Infinity if it is not known. */
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
  /** Client connections that are served. */
  readonly served: number
  /** Further client connections, which get a response that explains why they are refused. */
  readonly surplus: number
  readonly admin: number
}

/** For listeners, the log, files, DNS, token requests and the trace exporter. */
const RESERVED = 64
const MAX_ADMIN = 128
const MIN_ADMIN = 8

/**
 * Divides the descriptors so that no kind of connection can exhaust those of another. A client connection
 * needs two, because it may have one to the upstream; a refused one needs one.
 */
export function divideDescriptors(limit: number, configured: number): ConnectionBudget {
  const admin = Math.max(MIN_ADMIN, Math.min(MAX_ADMIN, Math.floor(limit / 16)))
  const available = limit - RESERVED - admin
  const served = Math.max(1, Math.min(configured, Math.floor((available * 4) / 9)))
  const surplus = Math.max(1, Math.min(configured, available - 2 * served))
  return { served, surplus, admin }
}
