import { createClosedLoop, createPaced } from '../load/node-load.ts'
import type { SendLoad } from '../load/load.ts'
import { createH2load } from '../load/h2load.ts'
import { createHttp2Load } from '../load/http2-load.ts'
import { createWrk } from '../load/wrk.ts'
import type { Stage } from '../stage/stage.ts'
import { readVersion, findProgram } from '../system/find-program.ts'
import type { Workload } from './workload.ts'

/** Selects the load generator for a workload. */
export type Loads = {
  sender(workload: Workload): SendLoad
  /** A closed loop at full load, even if the workload has a fixed rate. */
  readonly saturate: SendLoad
  /** The load generators in use, for the report. */
  readonly note: string
}

const SMALL_BYTES = 64 * 1024

export async function createLoads(
  { processes, directory, cores }: Stage,
  { onlyNode = false } = {},
): Promise<Loads> {
  const options = { processes, directory, cores: cores.others }
  const program = onlyNode ? undefined : findProgram('wrk')
  const http1 =
    program === undefined ? createClosedLoop(options) : createWrk({ ...options, program })
  const h2load = onlyNode ? undefined : findProgram('h2load')
  const calls = createHttp2Load(options)
  const http2 = h2load === undefined ? calls : createH2load({ ...options, program: h2load })
  const saturate: SendLoad = async (load) => {
    if (!load.http2) return await http1(load)
    // h2load counts large responses that are incomplete at the end of the run as failures.
    const isSmall = load.method === 'GET' && load.responseBytes <= SMALL_BYTES
    return await (isSmall ? http2 : calls)(load)
  }
  return {
    saturate,
    sender: ({ perSecond }) =>
      perSecond === undefined ? saturate : createPaced({ ...options, perSecond }),
    note: `${
      program === undefined
        ? 'the Node generator of this benchmark (wrk is not installed; Debian: wrk)'
        : await wrkVersion(program)
    }, HTTP/2 ${h2load === undefined ? 'by node:http2 (h2load is not installed; Debian: nghttp2-client)' : 'by h2load, gRPC calls by node:http2'}`,
  }
}

async function wrkVersion(program: string): Promise<string> {
  return /^wrk \S+/.exec(await readVersion(program, ['-v']))?.[0] ?? 'wrk'
}
