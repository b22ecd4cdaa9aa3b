import { createClosedLoop, createPaced } from '../load/node-load.ts'
import type { SendLoad } from '../load/load.ts'
import { createWrk } from '../load/wrk.ts'
import type { Stage } from '../stage/stage.ts'
import { askVersion, findProgram } from '../system/find-program.ts'
import type { Workload } from './workload.ts'

/** Chooses the load generator for a workload. */
export type Loads = {
  sender(workload: Workload): SendLoad
  /** As much as goes, whatever the workload says. */
  readonly saturate: SendLoad
  /** What it runs on, for the report. */
  readonly note: string
}

export async function createLoads(
  { processes, directory, cores }: Stage,
  { onlyNode = false } = {},
): Promise<Loads> {
  const options = { processes, directory, cores: cores.others }
  const program = onlyNode ? undefined : findProgram('wrk')
  const saturate =
    program === undefined ? createClosedLoop(options) : createWrk({ ...options, program })
  return {
    saturate,
    sender: ({ perSecond }) =>
      perSecond === undefined ? saturate : createPaced({ ...options, perSecond }),
    note:
      program === undefined ? 'our own in Node (no wrk here; Debian: wrk)' : await askWrk(program),
  }
}

async function askWrk(program: string): Promise<string> {
  return /^wrk \S+/.exec(await askVersion(program, ['-v']))?.[0] ?? 'wrk'
}
