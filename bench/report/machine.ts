import { readFileSync } from 'node:fs'
import { cpus, loadavg, release, totalmem } from 'node:os'
import { SHIPPED_NODE_FLAGS } from '../contenders/shipped-node-flags.ts'

/** The machine and the Node version that the figures depend on. */
export type Machine = {
  readonly date: string
  readonly processor: string
  readonly processors: number
  readonly memoryGb: number
  readonly system: string
  /** Over the last minute, because other load distorts the figures. */
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
