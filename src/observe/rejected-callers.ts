const CALLER_REJECTIONS = ['no_credentials', 'invalid_credentials', 'certificate'] as const

/** Why a listener did not serve a caller. */
export type CallerRejection = (typeof CALLER_REJECTIONS)[number]

/** The requests of callers that listeners did not serve. */
export type RejectedCallers = {
  /** All reasons from the start, so that rate() sees the first increase. */
  readonly addListener: (listener: string) => void
  readonly note: (listener: string, reason: CallerRejection) => void
  readonly read: () => readonly {
    readonly listener: string
    readonly reason: CallerRejection
    readonly requests: number
  }[]
}

export function createRejectedCallers(): RejectedCallers {
  const listeners = new Map<string, Record<CallerRejection, number>>()
  const countsOf = (listener: string): Record<CallerRejection, number> => {
    const counts = listeners.get(listener) ?? {
      no_credentials: 0,
      invalid_credentials: 0,
      certificate: 0,
    }
    listeners.set(listener, counts)
    return counts
  }
  return {
    addListener: (listener) => void countsOf(listener),
    note(listener, reason) {
      countsOf(listener)[reason] += 1
    },
    read: () =>
      [...listeners].flatMap(([listener, counts]) =>
        CALLER_REJECTIONS.map((reason) => ({ listener, reason, requests: counts[reason] })),
      ),
  }
}
