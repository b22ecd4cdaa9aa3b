import { BenchError } from '../system/bench-error.ts'
import type { Processes } from '../system/processes.ts'
import { parseH2loadOutput } from './h2load-output.ts'
import type { SendLoad } from './load.ts'

export type H2loadOptions = {
  readonly program: string
  readonly processes: Processes
  readonly cores: string | undefined
}

/** Sends HTTP/2 requests without a body. */
export function createH2load({ program, processes, cores }: H2loadOptions): SendLoad {
  return async ({ origin, path, headers, connections, streams, seconds }) => {
    const started = processes.start({
      command: program,
      args: [
        '-t1',
        `-c${connections}`,
        `-m${streams}`,
        `-D${Math.ceil(seconds)}`,
        ...headers.map(([name, value]) => `-H${name.toLowerCase()}: ${value}`),
        origin + path,
      ],
      cores,
    })
    const { code, stdout } = await started.exit
    if (code !== 0) throw new BenchError(`Cannot send load: h2load ended with ${code}`)
    return parseH2loadOutput(stdout)
  }
}
