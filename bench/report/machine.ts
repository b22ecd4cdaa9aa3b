import { readFileSync } from 'node:fs'
import { cpus, loadavg, release, totalmem } from 'node:os'
import { SHIPPED_NODE_FLAGS } from '../contenders/shipped-node-flags.ts'

/** Where and with what it was measured: part of every figure. */
export type Machine = {
  readonly date: string
  readonly processor: string
  readonly processors: number
  readonly memoryGb: number
  readonly system: string
  /** Over the last minute: what else is going on spoils the figures. */
  readonly loadAverage: number
  readonly node: string
  readonly nodeFlags: readonly string[]
}

export function describeMachine(): Machine {
  return {
    date: new Date().toISOString(),
    processor: cpus()[0]?.model.trim() ?? 'unknown',
    processors: cpus().length,
    memoryGb: Math.round(totalmem() / 1_000_000_000),
    system: `${distribution()}, Linux ${release()}`,
    loadAverage: loadavg()[0] ?? Number.NaN,
    node: process.version,
    nodeFlags: SHIPPED_NODE_FLAGS,
  }
}

function distribution(): string {
  try {
    return /^PRETTY_NAME="([^"]+)"$/m.exec(readFileSync('/etc/os-release', 'utf8'))?.[1] ?? 'Linux'
  } catch {
    return 'unknown'
  }
}
