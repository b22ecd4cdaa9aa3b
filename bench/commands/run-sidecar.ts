import { createLoads, type Loads } from '../measure/loads.ts'
import { measureMemory } from '../measure/measure-memory.ts'
import { measureStart } from '../measure/measure-start.ts'
import { measureTokens, TOKEN_LIFETIME_SECONDS } from '../measure/measure-tokens.ts'
import { BUDGETS } from '../report/budgets.ts'
import type { Figures } from '../report/figures.ts'
import { describeMachine } from '../report/machine.ts'
import { memoryTable } from '../report/memory-table.ts'
import { budgetTable } from '../report/verdict.ts'
import { writeJson } from '../report/write-json.ts'
import { setStage, type Stage } from '../stage/stage.ts'
import { EXIT, type Io } from './io.ts'

export type RunSidecarOptions = {
  readonly isQuick: boolean
  readonly jsonFile: string | undefined
}

type Tools = {
  readonly stage: Stage
  readonly loads: Loads
  readonly onStep: (what: string) => void
}

const LONG_LIFETIME_SECONDS = 36_000

/** `start`: how long until it is ready. */
export async function runStart(options: RunSidecarOptions, io: Io): Promise<number> {
  const starts = options.isQuick ? 5 : 20
  return await run(options, io, LONG_LIFETIME_SECONDS, async ({ stage, onStep }) => ({
    cases: [],
    start: await measureStart(stage, { starts, onStep }),
  }))
}

/** `tokens`: how often the authorization server is asked. */
export async function runTokens(options: RunSidecarOptions, io: Io): Promise<number> {
  const seconds = options.isQuick ? 12 : 30
  return await run(options, io, TOKEN_LIFETIME_SECONDS, async (tools) => ({
    cases: [],
    tokens: await measureTokens({ ...tools, seconds }),
  }))
}

/** `memory`: what it holds on to. */
export async function runMemory(options: RunSidecarOptions, io: Io): Promise<number> {
  const { isQuick } = options
  return await run(options, io, LONG_LIFETIME_SECONDS, async (tools) => {
    const memory = await measureMemory({
      ...tools,
      seconds: isQuick ? 4 : 15,
      hourRequests: isQuick ? 200_000 : 3_600_000,
      signal: io.signal,
    })
    io.out(`${memoryTable(memory)}\n`)
    return { cases: [], memory }
  })
}

async function run(
  { jsonFile }: RunSidecarOptions,
  io: Io,
  tokenLifetimeSeconds: number,
  measure: (tools: Tools) => Promise<Figures>,
): Promise<number> {
  const stage = await setStage({ tokenLifetimeSeconds, signal: io.signal })
  try {
    const onStep = (what: string): void => {
      io.signal.throwIfAborted()
      io.err(`${what}\n`)
    }
    const figures = await measure({ stage, loads: createLoads(stage), onStep })
    const measured = BUDGETS.filter((budget) => !('missing' in budget.measure(figures)))
    io.out(budgetTable(measured, figures))
    if (jsonFile !== undefined) {
      await writeJson(jsonFile, { machine: describeMachine(), cores: stage.cores.note, figures })
    }
    return EXIT.ok
  } finally {
    await stage.close()
  }
}
