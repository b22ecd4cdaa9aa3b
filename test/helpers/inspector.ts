import { once } from 'node:events'
import { onTestFinished } from 'vitest'
import type { RunningProgram } from './sidecar.ts'
import { until } from './wait.ts'

/** Environment of a program for `inspect`. */
export const INSPECTABLE = { NODE_OPTIONS: '--inspect=127.0.0.1:0' }

export type MemorySnapshot = {
  /** Heap and external memory after garbage collection. */
  readonly retainedBytes: number
  readonly residentBytes: number
  /** The types of active resources: sockets, servers, timers. */
  readonly resources: readonly string[]
}

/** Inspects a program that was started with INSPECTABLE. */
export async function inspect(program: RunningProgram): Promise<() => Promise<MemorySnapshot>> {
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
    const response = Promise.withResolvers<{
      readonly result: { readonly value: MemorySnapshot }
    }>()
    const onMessage = ({ data }: MessageEvent): void => {
      const message = JSON.parse(String(data))
      if (message.id === id) response.resolve(message.result)
    }
    socket.addEventListener('message', onMessage)
    socket.send(JSON.stringify({ id, method, params }))
    const result = await response.promise
    socket.removeEventListener('message', onMessage)
    return result
  }

  return async () => {
    // Objects that are finalized in one collection are freed by the next.
    for (let round = 0; round < 3; round += 1) await call('HeapProfiler.collectGarbage')
    const { result } = await call('Runtime.evaluate', {
      returnByValue: true,
      expression: `(() => {
        const { heapUsed, external, rss } = process.memoryUsage()
        const resources = process.getActiveResourcesInfo().sort()
        return { retainedBytes: heapUsed + external, residentBytes: rss, resources }
      })()`,
    })
    return result.value
  }
}
