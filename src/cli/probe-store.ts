import { composeTokenStore, findStoreFault } from '../compose/token-store.ts'
import type { TokenStoreConfig } from '../config/token-store-schema.ts'
import type { ConfigEnvironment } from '../config/secret-reader.ts'
import { systemClock } from '../lib/clock.ts'
import { createLog } from '../observe/logger.ts'
import { createTokenStoreMetrics } from '../observe/token-store-metrics.ts'

export type StoreReport = {
  readonly urls: readonly string[]
  readonly mode: TokenStoreConfig['mode']
  /** Null if an entry could be written, read and deleted. */
  readonly error: string | null
}

/** Connects to the token store, and writes, reads and deletes an entry. */
export async function probeStore(
  config: TokenStoreConfig,
  places: ConfigEnvironment,
): Promise<StoreReport> {
  const { url: urls, mode } = config
  const shared = composeTokenStore(config, {
    places,
    clock: systemClock,
    // The failure is returned.
    log: createLog({ level: 'silent', format: 'json', destination: 2 }).logger,
    metrics: createTokenStoreMetrics(),
  })
  try {
    return { urls, mode, error: await findStoreFault(shared) }
  } finally {
    shared.store.close()
  }
}
