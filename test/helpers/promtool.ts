import { spawnSync } from 'node:child_process'
import { findPrograms, MAY_SKIP } from './tools.ts'

const [program] = findPrograms('promtool')

/** Whether tests that need promtool are left out. */
export const SKIPS_PROMTOOL = program === undefined && MAY_SKIP

/** What promtool says: its exit status, and both outputs together. */
export function promtool(...args: readonly string[]): { status: number | null; output: string } {
  const { status, stdout, stderr } = spawnSync(program ?? 'promtool', args, { encoding: 'utf8' })
  return { status, output: `${stdout}${stderr}` }
}
