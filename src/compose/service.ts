import type { Config } from '../config/schema.ts'
import type { SecretPlaces } from '../config/secret-ref.ts'
import type { Clock } from '../lib/clock.ts'
import { createShared } from '../lib/shared.ts'
import { type AccessLog, type AccessLogOptions, createAccessLog } from '../observe/access-log.ts'
import type { DescriptorWatch } from '../observe/descriptor-watch.ts'
import type { Logger } from '../observe/logger.ts'
import { type Metrics, UNMATCHED } from '../observe/metrics.ts'
import type { RecentFailures } from '../observe/recent-failures.ts'
import type { Tracer } from '../observe/tracer.ts'
import { type ConnectHandler, createConnectHandler } from '../inbound/connect.ts'
import { createRecorder, type Recorder } from '../exchange/exchange-record.ts'
import { createExchangeHandler, type ExchangeHandler } from '../exchange/handler.ts'
import type { IdleWatch } from '../exchange/idle-watch.ts'
import type { Upstream } from '../outbound/upstream.ts'
import type { RejectionRecord } from '../tokens/rejection-record.ts'
import type { TokenSource } from '../tokens/token-source.ts'
import { composeCallers } from './callers.ts'
import { composeRoutes, composeTunnels, viaName } from './routes.ts'
import type { AuthorizationServer } from './token-request.ts'
import { composeTokenSources, type TokenSources } from './token-sources.ts'

/** Everything that one configuration makes, but for the listeners. */
export type Service = {
  readonly config: Config
  readonly handle: ExchangeHandler
  readonly connect: ConnectHandler
  readonly recorder: Recorder
  readonly tokens: TokenSources['needed']
  /** By the route's name, the name of the token that it needs. */
  readonly tokenOf: ReadonlyMap<string, string>
  readonly upstreams: readonly Upstream[]
  /** By the route's name. */
  readonly rejections: ReadonlyMap<string, RejectionRecord>
  /** Takes no more requests; lets go of what no other service uses when the last one is over. */
  readonly retire: () => Promise<void>
  /** Lets go at once, whatever is running. */
  readonly close: () => Promise<void>
}

export type ServiceOptions = {
  readonly places: SecretPlaces
  readonly logger: Logger
  readonly metrics: Metrics
  readonly tracer: Tracer | undefined
  readonly failures: RecentFailures
  readonly descriptors: Pick<DescriptorWatch, 'note'>
  readonly clock: Clock
  readonly idle: IdleWatch
}

/**
 * Makes services, one after the other, of which each takes over from the one before what is defined
 * in the same way: its tokens, and its connections. Fails, and leaves nothing behind, when certificates
 * or keys can't be read.
 */
export function createServiceMaker(options: ServiceOptions): (config: Config) => Promise<Service> {
  const { places, logger, metrics, tracer, clock, idle } = options
  const servers = createShared<AuthorizationServer>(() => {})
  const sources = createShared<TokenSource>((source) => source.close())
  const upstreams = createShared<Upstream>((upstream) => upstream.close())
  const rejections = createShared<RejectionRecord>(() => {})
  return async (config) => {
    const own = {
      servers: servers.holdings(),
      sources: sources.holdings(),
      upstreams: upstreams.holdings(),
      rejections: rejections.holdings(),
    }
    const letGo = async (): Promise<void> => {
      for (const { letGo: close } of Object.values(own)) await close()
    }
    try {
      const tokens = await composeTokenSources({ ...options, ...config, ...own })
      const { readFile } = places
      const parts = { config, tokens, readFile, clock, metrics, idle, ...own }
      const routes = await composeRoutes(parts)
      const recorder = createRecorder({
        unmatched: metrics.route(UNMATCHED),
        countProtocol: (protocol) => metrics.inboundRequest(protocol),
        accessLog: notingFailures(createAccessLog(logger, accessLogOptions(config)), options),
        tracer,
        clock,
      })
      const close = async (): Promise<void> => {
        routes.close()
        await letGo()
      }
      return {
        config,
        recorder,
        tokens: tokens.needed,
        tokenOf: tokenNames(config, tokens),
        upstreams: routes.upstreams,
        rejections: routes.rejections,
        close,
        async retire() {
          await recorder.whenIdle()
          await close()
        },
        handle: createExchangeHandler({
          routes: routes.table,
          callers: composeCallers(config),
          via: viaName(config),
          recorder,
          clock,
        }),
        connect: createConnectHandler({
          namesHost: routes.table.namesHost,
          tunnels: composeTunnels(config, metrics),
          recorder,
          clock,
        }),
      }
    } catch (error) {
      await letGo()
      throw error
    }
  }
}

function notingFailures(
  log: AccessLog,
  { failures, descriptors }: Pick<ServiceOptions, 'failures' | 'descriptors'>,
): AccessLog {
  return (request) => {
    if (request.failure !== undefined) {
      failures.note(request.route, request.failure)
      descriptors.note(request.failure)
    }
    log(request)
  }
}

function tokenNames({ routes }: Config, tokens: TokenSources): ReadonlyMap<string, string> {
  const names = new Map(tokens.needed.map(({ source, token }) => [source, token]))
  return new Map(
    routes.flatMap((route) => {
      const source = tokens.of(route)
      const name = source && names.get(source)
      return name === undefined ? [] : [[route.name, name] as const]
    }),
  )
}

function accessLogOptions({ log }: Config): AccessLogOptions {
  return {
    share: log.access === 'off' ? 0 : log.sample,
    slowMs: log.slow,
    withQuery: log.query,
    random: Math.random,
  }
}
