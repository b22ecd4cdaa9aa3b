import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { patternOf } from '../stage/responses.ts'
import { BenchError } from '../system/bench-error.ts'
import type { Processes } from '../system/processes.ts'
import type { Load, SendLoad } from './load.ts'
import { parseWrkOutput, WRK_REPORT } from './wrk-output.ts'

export type WrkOptions = {
  readonly program: string
  readonly processes: Processes
  readonly directory: string
  readonly cores: string | undefined
}

export function createWrk({ program, processes, directory, cores }: WrkOptions): SendLoad {
  return async (load) => {
    const script = join(directory, 'load.lua')
    await writeFile(script, wrkScript(load))
    const { connections, seconds, origin, path } = load
    const started = processes.start({
      command: program,
      args: [
        `-c${connections}`,
        `-d${Math.ceil(seconds)}`,
        '-t1',
        '--timeout=10s',
        `--script=${script}`,
        origin + path,
      ],
      cores,
    })
    const { code, stdout } = await started.exit
    if (code !== 0) throw new BenchError(`Cannot send load: wrk ended with ${code}`)
    return parseWrkOutput(stdout)
  }
}

function wrkScript({ method, bodyBytes, headers }: Load): string {
  const body = bodyBytes === 0 ? '' : `wrk.body = ${JSON.stringify(String(patternOf(bodyBytes)))}\n`
  const fields = headers.map(
    ([name, value]) => `wrk.headers[${JSON.stringify(name)}] = ${JSON.stringify(value)}\n`,
  )
  return `wrk.method = "${method}"\n${body}${fields.join('')}${WRK_REPORT}`
}
