import { setImmediate as turn } from 'node:timers/promises'
import { createFakeClock } from './fake-clock.ts'
import { type RunningSidecar, startSidecar } from './sidecar.ts'

export type FrozenSidecar = RunningSidecar & {
  /** Advances time in steps, and processes pending socket events between them. */
  pass(ms: number): Promise<void>
}

const STEP_MS = 100
/** Event-loop turns in which data crosses the sidecar in both directions. */
const TURNS_PER_STEP = 20

/** A sidecar whose time advances only in `pass`, so that its time limits do not depend on the load of the machine. */
export async function startFrozenSidecar(yaml: string): Promise<FrozenSidecar> {
  const clock = createFakeClock()
  const schedule = (delayMs: number, callback: () => void): (() => void) => {
    if (delayMs > 0) return clock.schedule(delayMs, callback)
    const immediate = setImmediate(callback)
    return () => clearImmediate(immediate)
  }
  const sidecar = await startSidecar(yaml, {}, undefined, undefined, { ...clock, schedule })
  return {
    ...sidecar,
    async pass(ms) {
      for (let passedMs = 0; passedMs < ms; passedMs += STEP_MS) {
        for (let turns = 0; turns < TURNS_PER_STEP; turns += 1) await turn()
        await clock.advance(Math.min(STEP_MS, ms - passedMs))
      }
    },
  }
}
