import { createLoads, type Loads } from '../measure/loads.ts'
import { measureMemory } from '../measure/measure-memory.ts'
import { measureStart } from '../measure/measure-start.ts'
import { measureTokens, TOKEN_LIFETIME_SECONDS } from '../measure/measure-tokens.ts'
import type { Figures } from '../report/figures.ts'
import { memoryTable } from '../report/memory-table.ts'
import { setStage, type Stage } from '../stage/stage.ts'
import { pinCores } from '../system/cores.ts'
import type { Io } from './io.ts'

export type MeasureSidecar = (options: { readonly isQuick: boolean }, io: Io) => Promise<Figures>

const LONG_LIFETIME_SECONDS = 36_000

/** `start`: the time until the sidecar is ready. */
export const measureItsStart: MeasureSidecar = async ({ isQuick }, io) =>
  await onStage(LONG_LIFETIME_SECONDS, io, async (tools) => ({
    cases: [],
    start: await measureStart({ ...tools, starts: isQuick ? 5 : 20 }),
  }))

/** `tokens`: the number of token requests. */
export const measureItsTokens: MeasureSidecar = async ({ isQuick }, io) =>
  await onStage(TOKEN_LIFETIME_SECONDS, io, async (tools) => ({
    cases: [],
    tokens: await measureTokens({ ...tools, seconds: isQuick ? 12 : 30 }),
  }))

/** `memory`: the resident memory. */
export const measureItsMemory: MeasureSidecar = async ({ isQuick }, io) =>
  await onStage(LONG_LIFETIME_SECONDS, io, async (tools) => {
    const memory = await measureMemory({
      ...tools,
      seconds: isQuick ? 4 : 15,
      hourRequests: isQuick ? 200_000 : 3_600_000,
      signal: io.signal,
    })
    io.out(`### Memory\n\n${memoryTable(memory)}\n`)
    return { cases: [], memory }
  })

type Tools = {
  readonly stage: Stage
  readonly loads: Loads
  readonly onStep: (what: string) => void
}

async function onStage(
  tokenLifetimeSeconds: number,
  io: Io,
  measure: (tools: Tools) => Promise<Figures>,
): Promise<Figures> {
  const stage = await setStage({ cores: pinCores(), tokenLifetimeSeconds, signal: io.signal })
  try {
    const onStep = (what: string): void => {
      io.signal.throwIfAborted()
      io.err(`${what}\n`)
    }
    return await measure({ stage, loads: await createLoads(stage), onStep })
  } finally {
    await stage.close()
  }
}
