import type { Running } from '../contenders/contender.ts'
import { startTokenSidecar } from '../contenders/token-sidecar.ts'
import type { MemoryFigures } from '../report/figures.ts'
import type { Stage } from '../stage/stage.ts'
import { BenchError } from '../system/bench-error.ts'
import { residentBytes } from '../system/proc.ts'
import { abortRequests } from './abort-requests.ts'
import type { Loads } from './loads.ts'
import { measureRound } from './measure-round.ts'
import { settingOf } from './setting-of.ts'
import { settledBytes } from './settle.ts'
import { requestPath, SMALL_GET, type Workload } from './workload.ts'

export type MeasureMemoryOptions = {
  readonly stage: Stage
  readonly loads: Loads
  /** The duration of the load for each number of connections. */
  readonly seconds: number
  /** 3.6 million is an hour at 1,000 requests/s. */
  readonly hourRequests: number
  readonly signal: AbortSignal
  readonly onStep: (what: string) => void
}

const ABORTED = 10_000
const IDLE = { minSeconds: 10, maxSeconds: 60 }
/** The interval between memory samples of the hour. */
const WINDOW_SECONDS = 5

/** Measures each part in a separate process, so that none inherits the heap of another. */
export async function measureMemory(options: MeasureMemoryOptions): Promise<MemoryFigures> {
  const { stage, onStep, signal } = options
  onStep('memory at rest')
  const restBytes = await withSidecar(
    stage,
    async ({ pids }) => await settledBytes(pids, { ...IDLE, signal }),
  )
  const under32Bytes = await underConnections(32, options)
  const under256Bytes = await underConnections(256, options)
  const hour = await overAnHour(options)
  onStep(`memory after ${ABORTED} aborted requests`)
  return { restBytes, under32Bytes, under256Bytes, hour, aborted: await afterAborts(options) }
}

async function underConnections(
  connections: number,
  { stage, loads, seconds, onStep }: MeasureMemoryOptions,
): Promise<number> {
  onStep(`memory under ${connections} connections, ${seconds} s`)
  const workload = { ...SMALL_GET, connections }
  return await withSidecar(stage, async (running) => {
    const round = await sendWithoutFailure(running, workload, loads, seconds)
    return round.residentBytes ?? Number.NaN
  })
}

async function overAnHour(options: MeasureMemoryOptions): Promise<MemoryFigures['hour']> {
  const { stage, loads, hourRequests, onStep, signal } = options
  return await withSidecar(stage, async (running) => {
    const samples: number[] = []
    let requests = 0
    while (requests < hourRequests) {
      signal.throwIfAborted()
      onStep(`memory over ${hourRequests} requests, ${requests} so far`)
      requests += (await sendWithoutFailure(running, SMALL_GET, loads, WINDOW_SECONDS)).requests
      samples.push(residentBytes(running.pids))
    }
    return { requests, residentBytes: samples }
  })
}

async function afterAborts(options: MeasureMemoryOptions): Promise<MemoryFigures['aborted']> {
  const { stage, loads, seconds, signal } = options
  const large: Workload = { ...SMALL_GET, response: 'mebibyte' }
  return await withSidecar(stage, async (running) => {
    // Warmed up first, so that one-time allocations are not counted as a leak.
    await sendWithoutFailure(running, large, loads, seconds)
    const beforeBytes = await settledBytes(running.pids, { ...IDLE, signal })
    const half = {
      origin: running.origin,
      path: requestPath(large),
      requests: ABORTED / 2,
      atOnce: 32,
    }
    await abortRequests(half)
    const halfWayBytes = await settledBytes(running.pids, { ...IDLE, signal })
    await abortRequests(half)
    const afterBytes = await settledBytes(running.pids, { ...IDLE, signal })
    return { requests: ABORTED, beforeBytes, halfWayBytes, afterBytes }
  })
}

async function withSidecar<T>(stage: Stage, use: (running: Running) => Promise<T>): Promise<T> {
  const running = await startTokenSidecar(await settingOf(stage, SMALL_GET))
  try {
    return await use(running)
  } finally {
    await running.stop()
  }
}

async function sendWithoutFailure(
  running: Running,
  workload: Workload,
  loads: Loads,
  seconds: number,
) {
  const window = { send: loads.sender(workload), seconds }
  const { round, failure } = await measureRound(running, workload, window)
  if (failure !== undefined) throw new BenchError(`Cannot measure memory: ${failure}`)
  return round
}
