import type { ListenerConfig } from '../config/listen-schema.ts'
import type { Config } from '../config/schema.ts'
import type { ConfigEnvironment } from '../config/secret-reader.ts'
import type { SidecarError } from '../errors.ts'
import type { Clock } from '../lib/clock.ts'
import type { OwnPorts } from '../lib/own-listener.ts'
import { createReferenceCountedPool, type References } from '../lib/reference-counted-pool.ts'
import type { CertificateIssuer } from '../certificates/certificate-issuer.ts'
import { type AccessLog, type AccessLogOptions, createAccessLog } from '../observe/access-log.ts'
import type { DescriptorWatch } from '../observe/descriptor-watch.ts'
import type { Logger } from '../observe/logger.ts'
import type { Metrics } from '../observe/metrics.ts'
import type { RecentFailures } from '../observe/recent-failures.ts'
import type { Tracer } from '../observe/tracer.ts'
import type { ProxyService } from '../inbound/http1-server.ts'
import type { IdleWatch } from '../exchange/idle-watch.ts'
import type { WatchedEgressProxy } from '../outbound/egress-proxy.ts'
import { type OpenUpstream, openUpstream, type Upstream } from '../outbound/upstream.ts'
import type { RejectionRecord } from '../tokens/rejection-record.ts'
import type { TokenSource } from '../tokens/token-source.ts'
import {
  type CallerAuthentication,
  composeCallerAuthentication,
  createAudit,
} from './caller-authentication.ts'
import { createProxyAcquirer } from './egress-proxy.ts'
import { openInterceptionAuthority } from './interception-authority.ts'
import { composeProxyService } from './proxy-service.ts'
import { composeRoutes, composeTunnels } from './routes.ts'
import type { AuthorizationServer } from './token-request.ts'
import { composeTokenSources, type TokenSources } from './token-sources.ts'
import { composeTokenStore, type SharedStore, storeDefinition } from './token-store.ts'

/** Everything that depends on one configuration, except for the listeners. */
export type Service = {
  readonly config: Config
  /** For intercepted connections; undefined without `intercept`. */
  readonly issuer: CertificateIssuer | undefined
  /** What serves the requests of an open listener. */
  readonly forListener: (name: string) => ProxyService
  readonly tokens: TokenSources['needed']
  /** The name of the token that each route needs, by the name of the route. */
  readonly tokenOf: ReadonlyMap<string, string>
  readonly upstreams: readonly Upstream[]
  /** By the name of the route. */
  readonly rejections: ReadonlyMap<string, RejectionRecord>
  /** When the last request has ended, releases the resources that no other service uses. */
  readonly retire: () => Promise<void>
  /** Releases them immediately, including those of requests in flight. */
  readonly close: () => Promise<void>
}

export type ServiceOptions = {
  /** Those that are open: a reload does not change them. */
  readonly listeners: readonly ListenerConfig[]
  readonly places: ConfigEnvironment
  readonly logger: Logger
  readonly metrics: Metrics
  readonly tracer: Tracer | undefined
  readonly failures: RecentFailures
  readonly descriptors: Pick<DescriptorWatch, 'note'>
  readonly clock: Clock
  readonly idle: IdleWatch
  /** The ports of the listeners, once they are open. */
  readonly ownPorts: OwnPorts
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
  const proxies = createReferenceCountedPool<WatchedEgressProxy>((proxy) => proxy.close())
  const audit = createAudit(options)
  return async (config) => {
    const authority = await openInterceptionAuthority({ config, places, clock, logger })
    const resources = {
      servers: servers.createReferences(),
      sources: sources.createReferences(),
      upstreams: upstreams.createReferences(),
      rejections: rejections.createReferences(),
      stores: stores.createReferences(),
      proxies: proxies.createReferences(),
    }
    const authentications: CallerAuthentication[] = []
    const release = async (): Promise<void> => {
      authority?.close()
      for (const { close } of authentications) close()
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
        ownPorts: options.ownPorts,
        openUpstream: options.openUpstream ?? openUpstream,
        acquireProxy: createProxyAcquirer(resources.proxies, places, clock),
        ...resources,
      }
      const routes = await composeRoutes(parts)
      const tunnels = await composeTunnels(parts)
      const accessLog = withFailureRecord(
        createAccessLog(logger, accessLogOptions(config)),
        options,
      )
      const byListener = new Map<string, ProxyService>()
      for (const listener of options.listeners) {
        const authentication = await composeCallerAuthentication(withAuthOf(config, listener), {
          places,
          clock,
          audit,
        })
        if (authentication !== undefined) authentications.push(authentication)
        if (listener.tls?.clientCa !== undefined) audit.addListener(listener.name)
        const service = composeProxyService(listener, {
          config,
          logsName: options.listeners.length > 1,
          authenticate: authentication?.authenticate,
          routes,
          issuer: authority,
          tunnels,
          accessLog,
          audit,
          metrics,
          tracer,
          logger,
          clock,
        })
        byListener.set(listener.name, service)
      }
      const close = async (): Promise<void> => {
        routes.close()
        await release()
      }
      return {
        config,
        issuer: authority,
        tokens: tokens.needed,
        tokenOf: tokenNames(config, tokens),
        upstreams: routes.upstreams,
        rejections: routes.rejections,
        close,
        async retire() {
          await Promise.all([...byListener.values()].map(({ recorder }) => recorder.whenIdle()))
          await close()
        },
        forListener(name) {
          const served = byListener.get(name)
          if (served === undefined) throw new Error(`the listener "${name}" is not open`)
          return served
        },
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

/** Unlike the address, the callers of an open listener change with the configuration. */
function withAuthOf({ listen }: Config, listener: ListenerConfig) {
  const { name, auth } = listen.find((changed) => changed.name === listener.name) ?? listener
  return { name, auth }
}

function withFailureRecord(
  log: AccessLog,
  { failures, descriptors }: Pick<ServiceOptions, 'failures' | 'descriptors'>,
): AccessLog {
  return (request) => {
    if (request.failure !== undefined) {
      failures.note(request.route, request.failure)
      descriptors.note(request.failure)
      // The audit log has them, and limits their number.
      if (isCallerRejected(request.failure)) return
    }
    log(request)
  }
}

function isCallerRejected({ code }: SidecarError): boolean {
  return code === 'proxy_authentication_required' || code === 'client_denied'
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
