import { type Clock, systemClock } from '../../src/lib/clock.ts'

/** How much earlier than requested timers fire. */
const FACTOR = 50

/** The real time, with timers that fire early, for what is repeated every few seconds. */
export const fastClock: Clock = {
  ...systemClock,
  schedule: (delayMs, callback) => systemClock.schedule(delayMs / FACTOR, callback),
}
