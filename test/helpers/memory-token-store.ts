import type { TokenStore } from '../../src/tokens/token-store.ts'
import type { Clock } from '../../src/lib/clock.ts'

export type MemoryTokenStore = TokenStore & {
  readonly entries: Map<string, { text: string; readonly expiresAtMs: number }>
  /** Fails every operation from now on, or none. */
  setFailing(isFailing: boolean): void
}

/** A token store in memory, for tests of what is stored and when. */
export function createMemoryTokenStore(clock: Clock): MemoryTokenStore {
  const entries: MemoryTokenStore['entries'] = new Map()
  let isFailing = false
  const find = (key: string) => {
    if (isFailing) throw new Error('the store fails')
    const entry = entries.get(key)
    return entry !== undefined && entry.expiresAtMs > clock.monotonicMs() ? entry : undefined
  }
  const put = (key: string, text: string, lifetimeMs: number): void => {
    entries.set(key, { text, expiresAtMs: clock.monotonicMs() + lifetimeMs })
  }
  return {
    entries,
    setFailing(failing) {
      isFailing = failing
    },
    read: async (keys) =>
      await Promise.resolve(
        keys.map((key) => {
          const entry = find(key)
          return entry && { text: entry.text, remainingMs: entry.expiresAtMs - clock.monotonicMs() }
        }),
      ),
    async write(key, text, lifetimeMs) {
      find(key)
      await Promise.resolve(put(key, text, lifetimeMs))
    },
    async writeIfLater(key, text, lifetimeMs) {
      const stored = find(key)
      if (stored === undefined || expiryOf(stored.text) <= expiryOf(text)) {
        put(key, text, lifetimeMs)
      }
      await Promise.resolve()
    },
    async acquire(key, text, lifetimeMs) {
      const isFree = find(key) === undefined
      if (isFree) put(key, text, lifetimeMs)
      return await Promise.resolve(isFree)
    },
    async deleteIf(key, text) {
      if (find(key)?.text === text) entries.delete(key)
      await Promise.resolve()
    },
  }
}

function expiryOf(text: string): number {
  return Number(/^\d+/.exec(text)?.[0] ?? 0)
}
