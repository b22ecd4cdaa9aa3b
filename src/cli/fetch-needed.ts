import type { AuthorizationServer } from '../compose/token-request.ts'
import { composeTokenSources } from '../compose/token-sources.ts'
import type { Config } from '../config/schema.ts'
import type { ConfigEnvironment } from '../config/secret-reader.ts'
import { systemClock } from '../lib/clock.ts'
import { createReferenceCountedPool } from '../lib/reference-counted-pool.ts'
import { createLog } from '../observe/logger.ts'
import { createMetrics } from '../observe/metrics.ts'
import type { AccessToken } from '../tokens/access-token.ts'
import type { TokenSource } from '../tokens/token-source.ts'
import { VERSION } from '../version.ts'

export type FetchedToken = {
  /** The credential, or `credential/route` for a route with its own scopes, audience or resource. */
  readonly token: string
  readonly credential: string
} & ({ readonly obtained: AccessToken } | { readonly cause: unknown })

/** Fetches each token that a route needs, one at a time, like the running sidecar. */
export async function* fetchNeeded(
  config: Config,
  places: ConfigEnvironment,
): AsyncGenerator<FetchedToken> {
  const sources = createReferenceCountedPool<TokenSource>((source) =>
    source.close(),
  ).createReferences()
  const tokens = await composeTokenSources({
    ...config,
    sources,
    servers: createReferenceCountedPool<AuthorizationServer>(() => {}).createReferences(),
    places,
    clock: systemClock,
    metrics: createMetrics({ version: VERSION }),
    // Failures are returned, and reported in more detail.
    logger: createLog({ level: 'silent', format: 'json', destination: 2 }).logger,
  })
  for (const { token, credential, source } of tokens.needed) {
    try {
      yield { token, credential, obtained: await source.renew() }
    } catch (cause) {
      yield { token, credential, cause }
    }
  }
  await sources.release()
}
