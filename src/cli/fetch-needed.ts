import type { AuthorizationServer } from '../compose/token-request.ts'
import { composeTokenSources } from '../compose/token-sources.ts'
import type { Config } from '../config/schema.ts'
import type { ConfigEnvironment } from '../config/secret-reader.ts'
import { systemClock } from '../lib/clock.ts'
import { createShared } from '../lib/shared.ts'
import { createLog } from '../observe/logger.ts'
import { createMetrics } from '../observe/metrics.ts'
import type { AccessToken } from '../tokens/access-token.ts'
import type { TokenSource } from '../tokens/token-source.ts'
import { VERSION } from '../version.ts'

export type FetchedToken = {
  /** The credential, or `credential/route` for a route that asks for a token of its own. */
  readonly token: string
  readonly credential: string
} & ({ readonly obtained: AccessToken } | { readonly cause: unknown })

/** Fetches every token that a route needs, one by one, as the sidecar would. */
export async function* fetchNeeded(
  config: Config,
  places: ConfigEnvironment,
): AsyncGenerator<FetchedToken> {
  const sources = createShared<TokenSource>((source) => source.close()).holdings()
  const tokens = await composeTokenSources({
    ...config,
    sources,
    servers: createShared<AuthorizationServer>(() => {}).holdings(),
    places,
    clock: systemClock,
    metrics: createMetrics({ version: VERSION }),
    // What goes wrong is handed on, and said in more words.
    logger: createLog({ level: 'silent', format: 'json', destination: 2 }).logger,
  })
  for (const { token, credential, source } of tokens.needed) {
    try {
      yield { token, credential, obtained: await source.renew() }
    } catch (cause) {
      yield { token, credential, cause }
    }
  }
  await sources.letGo()
}
