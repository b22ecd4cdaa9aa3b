export type ScopeComparison = {
  readonly requested: readonly string[]
  /** Undefined if neither the token response nor the token has any. */
  readonly granted: readonly string[] | undefined
  /** Requested but not granted. */
  readonly missing: readonly string[]
  /** Whether scopes were requested and the server does not report which were granted. */
  readonly unreported: boolean
}

/** Compares the granted scopes with the requested ones (RFC 6749 sections 3.3 and 5.1). */
export function compareScopes(
  requested: readonly string[],
  scope: string | undefined,
): ScopeComparison {
  const granted = scope?.split(/\s+/).filter((word) => word !== '')
  // Some servers separate scopes with commas, which a scope may also contain.
  const known = new Set(granted?.flatMap((word) => [word, ...word.split(',')]))
  // Entra ID's "/.default" stands for all permissions of a resource, and is granted under their names.
  const comparable = requested.filter((word) => !word.endsWith('/.default'))
  return {
    requested,
    granted,
    missing: granted === undefined ? [] : comparable.filter((word) => !known.has(word)),
    unreported: granted === undefined && comparable.length > 0,
  }
}
