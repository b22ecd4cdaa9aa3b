/** What one of several owners uses. */
export type Holdings<T> = {
  /** What is there under this key, opened if nobody has yet. */
  readonly use: (key: string, open: () => Promise<T>) => Promise<T>
  /** Closes what no other owner uses. To be called once. */
  readonly letGo: () => Promise<void>
}

/** Things that outlive each of their owners: opened for the first, closed when the last lets go. */
export function createShared<T>(close: (opened: T) => void | Promise<void>): {
  readonly holdings: () => Holdings<T>
} {
  const entries = new Map<string, { readonly opening: Promise<T>; owners: number }>()
  return {
    holdings() {
      const keys = new Set<string>()
      return {
        async use(key, open) {
          const entry = entries.get(key) ?? { opening: open(), owners: 0 }
          entries.set(key, entry)
          if (!keys.has(key)) {
            keys.add(key)
            entry.owners += 1
          }
          return await entry.opening
        },
        async letGo() {
          const closing = [...keys].flatMap((key) => {
            const entry = entries.get(key)
            if (entry === undefined) return []
            entry.owners -= 1
            if (entry.owners > 0) return []
            entries.delete(key)
            return [entry.opening]
          })
          for (const opening of closing) {
            // What could not be opened has told so to whoever wanted it.
            const opened = await opening.catch(() => undefined)
            if (opened !== undefined) await close(opened)
          }
        },
      }
    },
  }
}
