/** The counters of the token store. */
export type TokenStoreMetrics = {
  readonly operation: (operation: StoreOperation, outcome: StoreOutcome) => void
  /** An entry could not be decrypted or read. */
  readonly ignored: () => void
  readonly stateChanged: (isAvailable: boolean) => void
  readonly read: () => TokenStoreReading
}

const OPERATIONS = ['read', 'write', 'lock', 'delete'] as const
const OUTCOMES = ['success', 'failure'] as const
export type StoreOperation = (typeof OPERATIONS)[number]
type StoreOutcome = (typeof OUTCOMES)[number]

type TokenStoreReading = {
  readonly isAvailable: boolean
  readonly operations: readonly {
    readonly operation: StoreOperation
    readonly outcome: StoreOutcome
    readonly count: number
  }[]
  readonly ignored: number
}

export function createTokenStoreMetrics(): TokenStoreMetrics {
  // Exposed from the start, so that rate() sees the first failure.
  const operations = OPERATIONS.flatMap((operation) =>
    OUTCOMES.map((outcome) => ({ operation, outcome, count: 0 })),
  )
  let ignored = 0
  let isAvailable = false
  return {
    operation(operation, outcome) {
      const entry = operations.find(
        (each) => each.operation === operation && each.outcome === outcome,
      )
      if (entry !== undefined) entry.count += 1
    },
    ignored() {
      ignored += 1
    },
    stateChanged(found) {
      isAvailable = found
    },
    read: () => ({ isAvailable, operations, ignored }),
  }
}
