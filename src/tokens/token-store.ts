/**
 * A key-value store that a fleet of sidecars shares. Every operation ends within the timeout of the store
 * and fails if the store cannot be used. The keys of one `read` have the same hash tag (`{…}`).
 */
export type TokenStore = {
  /** Undefined where there is no value. */
  readonly read: (keys: readonly string[]) => Promise<readonly (StoredValue | undefined)[]>
  readonly write: (key: string, text: string, lifetimeMs: number) => Promise<void>
  /** Writes unless the stored text begins with a later expiry; both begin with `<milliseconds since 1970>.`. */
  readonly writeIfLater: (key: string, text: string, lifetimeMs: number) => Promise<void>
  /** Writes if there is no value yet, and returns whether there was none. */
  readonly acquire: (key: string, text: string, lifetimeMs: number) => Promise<boolean>
  /** Deletes the value if it is still this one. */
  readonly deleteIf: (key: string, text: string) => Promise<void>
}

export type StoredValue = { readonly text: string; readonly remainingMs: number }
