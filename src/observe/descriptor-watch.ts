import { closeSync, openSync } from 'node:fs'
import { devNull } from 'node:os'
import type { Clock } from '../lib/clock.ts'
import { createRateLimit } from '../lib/rate-limit.ts'
import type { Logger } from './logger.ts'

/** Detects that the process or the system has no file descriptor left. */
export type DescriptorWatch = {
  /** Counts an error that is caused by it. */
  readonly note: (error: unknown) => void
  readonly failures: () => number
  readonly stop: () => void
}

/** An error may be its own cause. */
const MAX_CAUSES = 5
const PROBE_INTERVAL_MS = 1_000

/**
 * Opens and closes a descriptor once a second, because errors are not enough: if `accept` fails with
 * EMFILE, libuv closes the connection and reports nothing.
 */
export function createDescriptorWatch(
  limit: number,
  { clock, logger }: { readonly clock: Clock; readonly logger: Logger },
): DescriptorWatch {
  const knownLimit = Number.isFinite(limit) ? limit : undefined
  const report = createRateLimit(clock, (failures, code: string) =>
    logger.error({ code, limit: knownLimit, failures }, 'too many open files'),
  )
  let failures = 0
  let cancel = clock.schedule(PROBE_INTERVAL_MS, probe)

  function probe(): void {
    cancel = clock.schedule(PROBE_INTERVAL_MS, probe)
    try {
      closeSync(openSync(devNull, 'r'))
    } catch (error) {
      note(error)
    }
  }

  function note(error: unknown): void {
    let cause = error
    for (let depth = 0; depth < MAX_CAUSES && cause instanceof Error; depth += 1) {
      if ('code' in cause && (cause.code === 'EMFILE' || cause.code === 'ENFILE')) {
        failures += 1
        report(cause.code)
        return
      }
      cause = cause instanceof AggregateError ? cause.errors[0] : cause.cause
    }
  }

  return { note, failures: () => failures, stop: () => cancel() }
}
