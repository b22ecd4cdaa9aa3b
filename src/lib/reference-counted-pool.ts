/** The references of one owner to the resources of a pool. */
export type References<T> = {
  /** The resource with this key, opened if no owner has it yet. */
  readonly acquire: (key: string, open: () => Promise<T>) => Promise<T>
  /** Closes the resources that no other owner has acquired. To be called once. */
  readonly release: () => Promise<void>
}

/** Resources that outlive each of their owners: opened for the first one, closed after the last one. */
export function createReferenceCountedPool<T>(close: (resource: T) => void | Promise<void>): {
  readonly createReferences: () => References<T>
} {
  const entries = new Map<string, { readonly opening: Promise<T>; owners: number }>()
  return {
    createReferences() {
      const keys = new Set<string>()
      return {
        async acquire(key, open) {
          const entry = entries.get(key) ?? { opening: open(), owners: 0 }
          entries.set(key, entry)
          if (!keys.has(key)) {
            keys.add(key)
            entry.owners += 1
          }
          return await entry.opening
        },
        async release() {
          const closing = [...keys].flatMap((key) => {
            const entry = entries.get(key)
            if (entry === undefined) return []
            entry.owners -= 1
            if (entry.owners > 0) return []
            entries.delete(key)
            return [entry.opening]
          })
          for (const opening of closing) {
            // The caller of `acquire` has handled the failure to open it.
            const resource = await opening.catch(() => undefined)
            if (resource !== undefined) await close(resource)
          }
        },
      }
    },
  }
}
