const OUTCOMES = ['success', 'failure', 'unchanged'] as const

type ReloadOutcome = (typeof OUTCOMES)[number]

/** The outcomes of reading the configuration file again. */
export type ReloadMetrics = {
  /** A configuration has come into use. */
  loaded(atWallMs: number): void
  reloaded(outcome: ReloadOutcome): void
  read(): {
    readonly outcomes: ReadonlyMap<ReloadOutcome, number>
    /** Whether the file, as it was last read, could be used. */
    readonly isGood: boolean
    readonly loadedAtMs: number
  }
}

export function createReloadMetrics(): ReloadMetrics {
  // All outcomes from the start, so that rate() sees the first increase.
  const outcomes = new Map<ReloadOutcome, number>(OUTCOMES.map((outcome) => [outcome, 0]))
  let isGood = true
  let loadedAtMs = 0
  return {
    loaded(atWallMs) {
      loadedAtMs = atWallMs
    },
    reloaded(outcome) {
      outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1)
      if (outcome !== 'unchanged') isGood = outcome === 'success'
    },
    read: () => ({ outcomes, isGood, loadedAtMs }),
  }
}
