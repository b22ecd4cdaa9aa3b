import type { Adapter, AdapterPayload } from 'oidc-provider'

/**
 * In-memory storage for oidc-provider. JWT access tokens are not stored, and the demo has no user
 * login, so a map is sufficient.
 */
export function createOidcStorage(): Adapter {
  const entries = new Map<string, AdapterPayload>()
  return {
    upsert: async (id, payload) => void entries.set(id, payload),
    find: async (id) => entries.get(id),
    destroy: async (id) => void entries.delete(id),
    consume: async (id) => {
      const entry = entries.get(id)
      if (entry !== undefined) entry.consumed = true
    },
    // Used only for logins, device codes and consent, which the demo does not have.
    findByUid: async () => undefined,
    findByUserCode: async () => undefined,
    revokeByGrantId: async () => undefined,
  }
}
