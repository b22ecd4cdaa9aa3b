import type { AuthorizationServer } from '../compose/token-request.ts'
import { composeTokenSources } from '../compose/token-sources.ts'
import type { Config } from '../config/schema.ts'
import type { SecretPlaces } from '../config/secret-ref.ts'
import { systemClock } from '../lib/clock.ts'
import { createShared } from '../lib/shared.ts'
import { createLog } from '../observe/logger.ts'
import { createMetrics } from '../observe/metrics.ts'
import type { TokenSource } from '../tokens/token-source.ts'
import { VERSION } from '../version.ts'
import { describeToken, describeTokenFailure, formatLines } from './describe-token.ts'
import { EXIT, type Io } from './io.ts'
import { count, readRunnableConfig } from './read-config.ts'

export type CheckOptions = {
  readonly file: string
  /** Also fetch each token that a route needs. */
  readonly live: boolean
}

/** `check`: everything that is wrong with a configuration, without running it. */
export async function check({ file, live }: CheckOptions, io: Io): Promise<number> {
  const read = await readRunnableConfig(file, io)
  if (read === undefined) return EXIT.configInvalid
  const { config, places } = read
  const { routes, credentials } = config
  io.out(
    `${file} is valid: ${count(routes.length, 'route')}, ${count(Object.keys(credentials).length, 'credential')}\n`,
  )
  return live ? await checkLive(config, places, io) : EXIT.ok
}

/** Fetches every token that a route needs, as the sidecar would. */
async function checkLive(config: Config, places: SecretPlaces, io: Io): Promise<number> {
  const sources = createShared<TokenSource>((source) => source.close()).holdings()
  const tokens = await composeTokenSources({
    ...config,
    sources,
    servers: createShared<AuthorizationServer>(() => {}).holdings(),
    places,
    clock: systemClock,
    metrics: createMetrics({ version: VERSION }),
    // What goes wrong is said below, in more words.
    logger: createLog({ level: 'silent', format: 'json', destination: 2 }).logger,
  })
  let failures = 0
  for (const { token, source } of tokens.needed) {
    try {
      io.out(`${token}\n${formatLines(describeToken(await source.renew()))}`)
    } catch (cause) {
      failures += 1
      io.out(`${token}\n${formatLines(describeTokenFailure(cause))}`)
    }
  }
  await sources.letGo()
  return failures === 0 ? EXIT.ok : EXIT.failed
}
