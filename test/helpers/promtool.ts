import { spawnSync } from 'node:child_process'
import { findPrograms, MAY_SKIP } from './tools.ts'

const [program] = findPrograms('promtool')

/** Whether tests that need promtool are skipped. */
export const SKIPS_PROMTOOL = program === undefined && MAY_SKIP

/** The exit status of promtool, and its stdout and stderr. */
export function promtool(...args: readonly string[]): { status: number | null; output: string } {
  const { status, stdout, stderr } = spawnSync(program ?? 'promtool', args, { encoding: 'utf8' })
  return { status, output: `${stdout}${stderr}` }
}
