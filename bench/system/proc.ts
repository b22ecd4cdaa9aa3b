import { readFileSync } from 'node:fs'

/** The user and system CPU time of these processes, including all threads. */
export function cpuMicros(pids: readonly number[]): number {
  const ticks = sum(pids.map((pid) => parseCpuTicks(readFileSync(`/proc/${pid}/stat`, 'utf8'))))
  return ticks * MICROS_PER_TICK
}

export function residentBytes(pids: readonly number[]): number {
  return sum(pids.map((pid) => parseResidentBytes(readFileSync(`/proc/${pid}/status`, 'utf8'))))
}

/** The running child processes of a process. */
export function childrenOf(pid: number): number[] {
  return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8')
    .split(' ')
    .filter((text) => text.trim() !== '')
    .map(Number)
}

/** `utime` and `stime` of proc_pid_stat(5). */
export function parseCpuTicks(stat: string): number {
  // The second field is the name in parentheses, which may itself contain spaces and parentheses.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return Number(fields[UTIME]) + Number(fields[UTIME + 1])
}

/** Field 14 of the line; the array begins with the third field. */
const UTIME = 11

export function parseResidentBytes(status: string): number {
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1] ?? Number.NaN) * 1024
}

/** USER_HZ is 100 on every architecture that Node supports. */
const MICROS_PER_TICK = 10_000

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0)
}
