import { createSecretReader, type ConfigEnvironment } from '../config/secret-reader.ts'
import type { TokenStoreConfig } from '../config/token-store-schema.ts'
import { SidecarError } from '../errors.ts'
import type { Clock } from '../lib/clock.ts'
import { createTlsReader } from '../lib/tls-material.ts'
import type { Logger } from '../observe/logger.ts'
import type { TokenStoreMetrics } from '../observe/token-store-metrics.ts'
import type { RedisServers } from '../store/redis-link.ts'
import { createRedisTokenStore, type RedisTokenStore } from '../store/redis-token-store.ts'
import { storeFault } from '../store/store-fault.ts'
import { createStoreKey, type StoreKey } from '../tokens/store-keys.ts'

/** The token store of a fleet, and the keys of its entries. */
export type SharedStore = {
  /** Differs between stores that are configured differently. */
  readonly definition: string
  readonly store: RedisTokenStore
  /** Reads the keys on every call, because they are rotated. */
  readonly keys: () => Promise<readonly StoreKey[]>
  readonly metrics: TokenStoreMetrics
}

export type SharedStoreOptions = {
  readonly places: ConfigEnvironment
  readonly clock: Clock
  readonly log: Logger
  readonly metrics: TokenStoreMetrics
}

/** Connects in the background. */
export function composeTokenStore(
  config: TokenStoreConfig,
  { places, clock, log, metrics }: SharedStoreOptions,
): SharedStore {
  const { username, password, prefix, timeout } = config
  const servers = serversOf(config)
  const readTls = createTlsReader(config.tls, places.readFile)
  const readPassword = password && createSecretReader(password, places)
  const isTls = config.url.some((url) => url.startsWith('rediss:'))
  const readKeys = config.keys.map((ref) => createSecretReader(ref, places))
  let derived: { readonly secrets: readonly string[]; readonly keys: readonly StoreKey[] } = {
    secrets: [],
    keys: [],
  }
  return {
    definition: storeDefinition(config),
    metrics,
    store: createRedisTokenStore({
      prefix,
      timeoutMs: timeout,
      log,
      metrics,
      clock,
      readAccess: async () => ({
        username,
        password: (await readPassword?.())?.reveal(),
        tls: isTls ? await readTls() : undefined,
      }),
      async open(access, onLost) {
        // Loaded here, because the library costs time and memory when it is loaded.
        const { openRedisLink } = await import('../store/redis-link.ts')
        return await openRedisLink(servers, access, onLost)
      },
    }),
    async keys() {
      const secrets = await Promise.all(readKeys.map(async (read) => (await read()).reveal()))
      if (secrets.join('\n') !== derived.secrets.join('\n')) {
        derived = { secrets, keys: secrets.map((secret) => createStoreKey(secret, prefix)) }
      }
      return derived.keys
    },
  }
}

/** Probes the store, and returns why it cannot be used, or null. */
export async function findStoreFault({ store, keys }: SharedStore): Promise<string | null> {
  try {
    await keys()
    await store.probe()
    return null
  } catch (cause) {
    return cause instanceof SidecarError ? cause.message : storeFault(cause).reason
  }
}

function serversOf({ url: urls, mode, primary }: TokenStoreConfig): RedisServers {
  const parsed = urls.map((url) => new URL(url))
  return {
    mode,
    primary,
    addresses: parsed.map(({ hostname, port }) => ({
      host: hostname.replace(/^\[|\]$/g, ''),
      port: Number(port) || (mode === 'sentinel' ? SENTINEL_PORT : REDIS_PORT),
    })),
    database: Number(parsed[0]?.pathname.slice(1) ?? 0),
  }
}

const REDIS_PORT = 6379
const SENTINEL_PORT = 26_379

export function storeDefinition(config: TokenStoreConfig): string {
  return JSON.stringify(config)
}
