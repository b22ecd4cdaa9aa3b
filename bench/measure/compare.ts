import type { Contender, Running } from '../contenders/contender.ts'
import type { Stage } from '../stage/stage.ts'
import { BenchError } from '../system/bench-error.ts'
import type { Case, Variation } from './cases.ts'
import type { Loads } from './loads.ts'
import { measureRound } from './measure-round.ts'
import { probe } from './probe.ts'
import { settingOf } from './setting-of.ts'
import type { CaseResult, EntryResult, Round } from './result.ts'

export type Pace = {
  readonly rounds: number
  readonly seconds: number
  readonly warmUpSeconds: number
}

export type CompareOptions = {
  readonly stage: Stage
  readonly loads: Loads
  readonly pace: Pace
  readonly contenders: readonly Contender[]
  readonly onStep: (step: Step) => void
}

/** The step that begins, for the progress display. */
type Step = {
  readonly what: string
  readonly entry: string
  /** The number of the round; 0 is the warm-up. */
  readonly round: number
}

/** A fixed rate sends fewer requests, and a stable p99 needs many. */
const PACED_FACTOR = 2

/** Measures every contender in every variation of a case, in interleaved rounds. */
export async function compare(what: Case, options: CompareOptions): Promise<CaseResult> {
  const { name, title, shows, variations } = what
  const { pace, contenders } = options
  const entries = contenders.flatMap((contender) =>
    variations.map((variation) => createEntry(contender, variation)),
  )
  const running = (): Entry[] => entries.filter((entry) => entry.isRunning())
  try {
    for (const entry of entries) await entry.begin(what, options)
    for (let round = 1; round <= pace.rounds; round += 1) {
      for (const entry of running()) await entry.measure(what, round, options)
    }
    for (const entry of running()) await entry.check(options.stage)
  } finally {
    for (const entry of entries) await entry.stop()
  }
  return { name, title, shows, entries: entries.map((entry) => entry.result()) }
}

type Entry = {
  begin(what: Case, options: CompareOptions): Promise<void>
  measure(what: Case, round: number, options: CompareOptions): Promise<void>
  check(stage: Stage): Promise<void>
  /** Whether the contender has started and has not failed. */
  isRunning(): boolean
  stop(): Promise<void>
  result(): EntryResult
}

/** One row of a case: the lifecycle of a contender in one variation. */
function createEntry(contender: Contender, { label, workload }: Variation): Entry {
  const rounds: Round[] = []
  const title = contender.name + label
  let running: Running | undefined
  let leftOut: string | undefined
  let failure: string | undefined

  const isRunning = (): boolean => running !== undefined && failure === undefined
  /** Records a failure, so that the other contenders are still measured. */
  const attempt = async (work: () => Promise<string | undefined>): Promise<void> => {
    try {
      failure = await work()
    } catch (cause) {
      failure = cause instanceof BenchError ? cause.message : String(cause)
    }
  }

  return {
    async begin(what, { stage, loads, pace, onStep }) {
      const found = await contender.find()
      leftOut = found.isFound ? contender.cannot?.(workload) : found.missing
      if (leftOut !== undefined) return
      onStep({ what: what.name, entry: title, round: 0 })
      await attempt(async () => {
        running = await contender.start(await settingOf(stage, workload))
        const fault = await probe({ running, workload, token: stage.token })
        if (fault !== undefined) return fault
        // Warmed up at full load, even before a fixed rate, because a long-running process is measured.
        const warmUp = { send: loads.saturate, seconds: pace.warmUpSeconds }
        return (await measureRound(running, workload, warmUp)).failure
      })
    },
    async measure(what, round, { loads, pace, onStep }) {
      onStep({ what: what.name, entry: title, round })
      await attempt(async () => {
        if (running === undefined) return undefined
        const seconds = pace.seconds * (workload.perSecond === undefined ? 1 : PACED_FACTOR)
        const window = { send: loads.sender(workload), seconds }
        const measured = await measureRound(running, workload, window)
        rounds.push(measured.round)
        return measured.failure
      })
    },
    async check({ token }) {
      await attempt(async () =>
        running === undefined ? undefined : await probe({ running, workload, token }),
      )
    },
    isRunning,
    async stop() {
      await running?.stop()
    },
    result: () => ({
      contender: contender.name,
      label,
      rounds,
      ...(leftOut !== undefined && { leftOut }),
      ...(failure !== undefined && { failure }),
    }),
  }
}
