import { readFileSync } from 'node:fs'

/** User and system time of processes so far, with all their threads. */
export function cpuMicros(pids: readonly number[]): number {
  const ticks = sum(pids.map((pid) => parseCpuTicks(readFileSync(`/proc/${pid}/stat`, 'utf8'))))
  return ticks * MICROS_PER_TICK
}

export function residentBytes(pids: readonly number[]): number {
  return sum(pids.map((pid) => parseResidentBytes(readFileSync(`/proc/${pid}/status`, 'utf8'))))
}

/** The processes that a process has started and that still run. */
export function childrenOf(pid: number): number[] {
  return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8')
    .split(' ')
    .filter((text) => text.trim() !== '')
    .map(Number)
}

/** `utime` and `stime` of proc_pid_stat(5). */
export function parseCpuTicks(stat: string): number {
  // The second field is the name, in parentheses, and may hold spaces and parentheses itself.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return Number(fields[UTIME]) + Number(fields[UTIME + 1])
}

/** Field 14, counted from the third. */
const UTIME = 11

export function parseResidentBytes(status: string): number {
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1] ?? Number.NaN) * 1024
}

/** The kernel tells user space hundredths of a second, on every architecture that Node runs on. */
const MICROS_PER_TICK = 10_000

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0)
}
