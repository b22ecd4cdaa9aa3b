import { once } from 'node:events'
import { onTestFinished } from 'vitest'
import type { RunningProgram } from './sidecar.ts'
import { until } from './wait.ts'

/** Given to a program, this lets `inspect` look inside of it without a change to it. */
export const INSPECTABLE = { NODE_OPTIONS: '--inspect=127.0.0.1:0' }

export type Inside = {
  /** What it keeps in memory, in bytes, after everything is collected that can be. */
  readonly keptBytes: number
  readonly residentBytes: number
  /** The kinds of what keeps the program running, one for each: sockets, servers, timers. */
  readonly resources: readonly string[]
}

/** Looks inside of a program that was started with INSPECTABLE. */
export async function inspect(program: RunningProgram): Promise<() => Promise<Inside>> {
  const address = /^Debugger listening on (ws:\S+)$/m
  await until(() => address.test(program.output()))
  const socket = new WebSocket(address.exec(program.output())?.[1] ?? '')
  await once(socket, 'open')
  onTestFinished(() => socket.close())
  let calls = 0

  /** https://chromedevtools.github.io/devtools-protocol/ */
  const call = async (method: string, params: object = {}) => {
    calls += 1
    const id = calls
    const answered = Promise.withResolvers<{ readonly result: { readonly value: Inside } }>()
    const onMessage = ({ data }: MessageEvent): void => {
      const answer = JSON.parse(String(data))
      if (answer.id === id) answered.resolve(answer.result)
    }
    socket.addEventListener('message', onMessage)
    socket.send(JSON.stringify({ id, method, params }))
    const result = await answered.promise
    socket.removeEventListener('message', onMessage)
    return result
  }

  return async () => {
    // What is finalised in one collection is gone in the next.
    for (let round = 0; round < 3; round += 1) await call('HeapProfiler.collectGarbage')
    const { result } = await call('Runtime.evaluate', {
      returnByValue: true,
      expression: `(() => {
        const { heapUsed, external, rss } = process.memoryUsage()
        const resources = process.getActiveResourcesInfo().sort()
        return { keptBytes: heapUsed + external, residentBytes: rss, resources }
      })()`,
    })
    return result.value
  }
}
