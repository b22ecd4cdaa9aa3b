import type { Config } from '../config/schema.ts'
import type { ConfigEnvironment } from '../config/secret-reader.ts'
import type { Clock } from '../lib/clock.ts'
import { createReferenceCountedPool, type References } from '../lib/reference-counted-pool.ts'
import type { CertificateIssuer } from '../certificates/certificate-issuer.ts'
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
import { type OpenUpstream, openUpstream, type Upstream } from '../outbound/upstream.ts'
import type { RejectionRecord } from '../tokens/rejection-record.ts'
import type { TokenSource } from '../tokens/token-source.ts'
import { openInterceptionAuthority } from './interception-authority.ts'
import { composeOriginPolicy } from './origin-policy.ts'
import { viaName } from './route-plan.ts'
import { composeRoutes, composeTunnels } from './routes.ts'
import type { AuthorizationServer } from './token-request.ts'
import { composeTokenSources, type TokenSources } from './token-sources.ts'
import { composeTokenStore, type SharedStore, storeDefinition } from './token-store.ts'

/** Everything that depends on one configuration, except for the listeners. */
export type Service = {
  readonly config: Config
  readonly handle: ExchangeHandler
  readonly connect: ConnectHandler
  /** For intercepted connections; undefined without `intercept`. */
  readonly issuer: CertificateIssuer | undefined
  readonly recorder: Recorder
  readonly tokens: TokenSources['needed']
  /** The name of the token that each route needs, by the name of the route. */
  readonly tokenOf: ReadonlyMap<string, string>
  readonly upstreams: readonly Upstream[]
  /** By the name of the route. */
  readonly rejections: ReadonlyMap<string, RejectionRecord>
  /** When the last request has ended, releases the resources that no other service uses. */
  readonly retire: () => Promise<void>
  /** Releases them at once, including those of requests in progress. */
  readonly close: () => Promise<void>
}

export type ServiceOptions = {
  readonly places: ConfigEnvironment
  readonly logger: Logger
  readonly metrics: Metrics
  readonly tracer: Tracer | undefined
  readonly failures: RecentFailures
  readonly descriptors: Pick<DescriptorWatch, 'note'>
  readonly clock: Clock
  readonly idle: IdleWatch
  /** The HTTP client for upstreams; that of `outbound/` by default. */
  readonly openUpstream?: OpenUpstream | undefined
}

/**
 * Creates one service after the other. Each reuses the tokens and connections of the previous one whose definition is
 * the same. Fails without a side effect when certificates or keys cannot be read.
 */
export function createServiceFactory(
  options: ServiceOptions,
): (config: Config) => Promise<Service> {
  const { places, logger, metrics, tracer, clock, idle } = options
  const servers = createReferenceCountedPool<AuthorizationServer>(() => {})
  const sources = createReferenceCountedPool<TokenSource>((source) => source.close())
  const upstreams = createReferenceCountedPool<Upstream>((upstream) => upstream.close())
  const rejections = createReferenceCountedPool<RejectionRecord>(() => {})
  const stores = createReferenceCountedPool<SharedStore>(({ store }) => store.close())
  return async (config) => {
    const authority = await openInterceptionAuthority({ config, places, clock, logger })
    const resources = {
      servers: servers.createReferences(),
      sources: sources.createReferences(),
      upstreams: upstreams.createReferences(),
      rejections: rejections.createReferences(),
      stores: stores.createReferences(),
    }
    const release = async (): Promise<void> => {
      authority?.close()
      for (const { release: close } of Object.values(resources)) await close()
    }
    try {
      const shared = await acquireTokenStore(config, resources.stores, options)
      const tokens = await composeTokenSources({ ...options, ...config, ...resources, shared })
      const { readFile } = places
      const parts = {
        config,
        tokens,
        readFile,
        clock,
        metrics,
        idle,
        openUpstream: options.openUpstream ?? openUpstream,
        ...resources,
      }
      const routes = await composeRoutes(parts)
      const recorder = createRecorder({
        unmatched: metrics.route(UNMATCHED),
        countProtocol: (protocol) => metrics.inboundRequest(protocol),
        accessLog: withFailureRecord(createAccessLog(logger, accessLogOptions(config)), options),
        tracer,
        clock,
      })
      const close = async (): Promise<void> => {
        routes.close()
        await release()
      }
      return {
        config,
        issuer: authority,
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
          originPolicy: composeOriginPolicy(config),
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
      await release()
      throw error
    }
  }
}

/** Undefined without a store. One that is defined as before remains connected. */
async function acquireTokenStore(
  { tokenStore }: Config,
  stores: References<SharedStore>,
  { places, clock, logger: log, metrics }: ServiceOptions,
): Promise<SharedStore | undefined> {
  if (tokenStore === undefined) return undefined
  return await stores.acquire(
    storeDefinition(tokenStore),
    async () =>
      await Promise.resolve(
        composeTokenStore(tokenStore, { places, clock, log, metrics: metrics.tokenStore }),
      ),
  )
}

function withFailureRecord(
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
