import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { findProgram } from './find-program.ts'

export type Cores = {
  /** The processor reserved for the contender. */
  readonly contender: string | undefined
  readonly others: string | undefined
  /** A description of the pinning, for the report. */
  readonly note: string
}

/** Module state, because CPU affinity belongs to the process. */
let pinned: Cores | undefined

/**
 * Reserves a processor for the contender and pins this process, and so its children, to the others.
 * Done only once, because afterwards the reserved processor is no longer in the allowed set.
 */
export function pinCores(): Cores {
  pinned ??= pin()
  return pinned
}

function pin(): Cores {
  const allowed = parseCpuList(allowedCpus())
  const [first, ...rest] = allowed
  if (first === undefined || rest.length === 0) {
    return unpinned(`only ${allowed.length} processor: no CPU pinning`)
  }
  if (findProgram('taskset') === undefined) {
    return unpinned('no "taskset" (Debian: util-linux): no CPU pinning')
  }
  const others = rest.join(',')
  const moved = spawnSync('taskset', ['-a', '-c', '-p', others, String(process.pid)])
  if (moved.status !== 0) return unpinned('"taskset" failed: no CPU pinning')
  return {
    contender: String(first),
    others,
    note: `the contender on processor ${first}, upstream and load generator on ${others}`,
  }
}

/** Parses a CPU list of the kernel, such as "0-2,5". */
export function parseCpuList(text: string): number[] {
  return text
    .trim()
    .split(',')
    .filter((part) => part !== '')
    .flatMap((part) => {
      const [from = '', to = from] = part.split('-')
      const first = Number(from)
      return Array.from({ length: Number(to) - first + 1 }, (_, index) => first + index)
    })
}

function allowedCpus(): string {
  try {
    const status = readFileSync('/proc/self/status', 'utf8')
    return /^Cpus_allowed_list:\s*(\S+)$/m.exec(status)?.[1] ?? ''
  } catch {
    return ''
  }
}

export function unpinned(note: string): Cores {
  return { contender: undefined, others: undefined, note }
}
