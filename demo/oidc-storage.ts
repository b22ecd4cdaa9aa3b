import type { Adapter, AdapterPayload } from 'oidc-provider'

/**
 * Where oidc-provider keeps what must outlive a request. Access tokens that are JWTs are not stored
 * and nobody logs in, so a map in memory is all that it takes.
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
    // For logins, devices and consent, none of which exist here.
    findByUid: async () => undefined,
    findByUserCode: async () => undefined,
    revokeByGrantId: async () => undefined,
  }
}
