/** The part of `AbortSignal` that an exchange needs. */
export type AbortSignalLike = {
  readonly aborted: boolean
  readonly reason: unknown
  readonly addEventListener: (type: 'abort', listener: () => void) => void
  readonly removeEventListener: (type: 'abort', listener: () => void) => void
}

export type AbortControllerLike = {
  readonly signal: AbortSignalLike
  /** Does nothing after the first call. */
  readonly abort: (reason: unknown) => void
}

/**
 * An `AbortController` without `EventTarget`, which takes 1 to 3 % less CPU time for a small request
 * (docs/decisions/0015-custom-components.md).
 */
export function createAbortController(): AbortControllerLike {
  const listeners: (() => void)[] = []
  const signal: AbortSignalLike & { aborted: boolean; reason: unknown } = {
    aborted: false,
    reason: undefined,
    addEventListener(_type, listener) {
      if (!listeners.includes(listener)) listeners.push(listener)
    },
    removeEventListener(_type, listener) {
      const at = listeners.indexOf(listener)
      if (at !== -1) listeners.splice(at, 1)
    },
  }
  return {
    signal,
    abort(reason) {
      if (signal.aborted) return
      signal.aborted = true
      signal.reason = reason
      for (const listener of listeners.splice(0)) listener()
    },
  }
}
