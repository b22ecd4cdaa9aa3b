import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import * as z from 'zod'
import { BenchError } from '../system/bench-error.ts'
import type { Processes } from '../system/processes.ts'
import type { Load, Outcome, SendLoad } from './load.ts'

export const loadSettings = z.object({
  host: z.string(),
  port: z.number(),
  /** The request line and header section of every request. */
  head: z.string(),
  bodyBytes: z.number(),
  connections: z.number(),
  seconds: z.number(),
  perSecond: z.number(),
})

/** NaN when there was no response; JSON serializes it as null. */
const latency = z
  .number()
  .nullable()
  .transform((ms) => ms ?? Number.NaN)

export const loadReport = z.object({
  requests: z.number(),
  seconds: z.number(),
  p50Ms: latency,
  p99Ms: latency,
  failure: z.string().optional(),
})

export type NodeLoadOptions = {
  readonly processes: Processes
  readonly directory: string
  readonly cores: string | undefined
}

/**
 * A closed loop for machines without wrk: each connection sends its next request after the response
 * to the previous one.
 */
export function createClosedLoop(options: NodeLoadOptions): SendLoad {
  return async (load) => await sendFromNode(['closed-loop-program.ts'], load, 0, options)
}

/**
 * A generator that measures latency must not pause for compilation or garbage collection, which
 * would also take CPU time from the upstream. Interpreted code is fast enough, and memory suffices.
 */
const WITHOUT_PAUSES = [
  '--no-opt',
  '--no-maglev',
  '--min-semi-space-size=64',
  '--max-semi-space-size=64',
]

/**
 * An open loop at a fixed rate, which wrk does not support. Latency counts from the scheduled time,
 * which avoids coordinated omission.
 */
export function createPaced(options: NodeLoadOptions & { readonly perSecond: number }): SendLoad {
  const program = ['paced-program.ts', ...WITHOUT_PAUSES] as const
  return async (load) => await sendFromNode(program, load, options.perSecond, options)
}

async function sendFromNode(
  [program, ...nodeFlags]: readonly [string, ...string[]],
  load: Load,
  perSecond: number,
  { processes, directory, cores }: NodeLoadOptions,
): Promise<Outcome> {
  const { origin, bodyBytes, connections, seconds } = load
  const { hostname, port } = new URL(origin)
  const settings: z.output<typeof loadSettings> = {
    host: hostname,
    port: Number(port),
    head: requestHead(load),
    bodyBytes,
    connections,
    seconds,
    perSecond,
  }
  const file = join(directory, 'load.json')
  await writeFile(file, JSON.stringify(settings))
  const started = processes.start({
    command: process.execPath,
    args: [...nodeFlags, join(import.meta.dirname, program), file],
    cores,
  })
  const { code, stdout } = await started.exit
  if (code !== 0) throw new BenchError(`Cannot send load: ${program} ended with ${code}`)
  const { failure, ...outcome } = loadReport.parse(JSON.parse(stdout))
  return failure === undefined ? outcome : { ...outcome, failure }
}

function requestHead({ method, path, origin, headers, bodyBytes }: Load): string {
  const fields = [['Host', new URL(origin).host], ...headers]
  if (method === 'POST') fields.push(['Content-Length', String(bodyBytes)])
  const lines = fields.map(([name, value]) => `${name}: ${value}\r\n`)
  return `${method} ${path} HTTP/1.1\r\n${lines.join('')}\r\n`
}
