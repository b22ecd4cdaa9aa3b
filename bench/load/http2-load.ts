import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import * as z from 'zod'
import { BenchError } from '../system/bench-error.ts'
import type { SendLoad } from './load.ts'
import { loadReport, type NodeLoadOptions } from './node-load.ts'

export const http2LoadSettings = z.object({
  origin: z.string(),
  method: z.string(),
  path: z.string(),
  headers: z.array(z.tuple([z.string(), z.string()])),
  bodyBytes: z.number(),
  connections: z.number(),
  streams: z.number(),
  seconds: z.number(),
  responseBytes: z.number(),
  isGrpc: z.boolean(),
})

const PROGRAM = join(import.meta.dirname, 'http2-load-program.ts')

/**
 * A closed loop on each stream. A status other than 200, a gRPC status other than 0 or an unexpected
 * body length is a failure.
 */
export function createHttp2Load({ processes, directory, cores }: NodeLoadOptions): SendLoad {
  return async (load) => {
    const file = join(directory, 'http2-load.json')
    const settings: z.output<typeof http2LoadSettings> = {
      ...load,
      headers: load.headers.map(([name, value]) => [name, value]),
    }
    await writeFile(file, JSON.stringify(settings))
    const started = processes.start({ command: process.execPath, args: [PROGRAM, file], cores })
    const { code, stdout } = await started.exit
    if (code !== 0) throw new BenchError(`Cannot send load: the program ended with ${code}`)
    const { failure, ...outcome } = loadReport.parse(JSON.parse(stdout))
    return failure === undefined ? outcome : { ...outcome, failure }
  }
}
