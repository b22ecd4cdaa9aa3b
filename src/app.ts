import { limitConnections } from './admin/connection-limit.ts'
import { createAdminServer } from './admin/handler.ts'
import { isRejected, readinessOf, type Readiness } from './admin/readiness.ts'
import { createTokenRenewal } from './admin/renew-tokens.ts'
import { refuseUnreadable } from './admin/refuse-unreadable.ts'
import { interceptionStatus } from './admin/read-interception.ts'
import { protocolsStatus } from './admin/read-protocols.ts'
import { rejectionsOfRoute } from './admin/read-rejections.ts'
import {
  type ConfigurationState,
  configurationStatus,
  failureStatus,
  tokenStatus,
} from './admin/read-status.ts'
import { adminOriginPolicy } from './compose/origin-policy.ts'
import { createProxyListeners, type OpenListener } from './compose/proxy-listeners.ts'
import { createServiceFactory, type Service, type ServiceOptions } from './compose/service.ts'
import { fixedChanges } from './config/fixed-settings.ts'
import type { Config } from './config/schema.ts'
import type { ConfigEnvironment } from './config/secret-reader.ts'
import type { SidecarError } from './errors.ts'
import { type Clock, systemClock } from './lib/clock.ts'
import { divideDescriptors, readDescriptorLimit } from './lib/descriptor-limit.ts'
import { listen } from './lib/listen.ts'
import { createRateLimit } from './lib/rate-limit.ts'
import { stackFrames } from './lib/stack-frames.ts'
import { createDescriptorWatch } from './observe/descriptor-watch.ts'
import type { Logger } from './observe/logger.ts'
import { createMetrics } from './observe/metrics.ts'
import { createRecentFailures } from './observe/recent-failures.ts'
import { createRouteHistory } from './observe/route-history.ts'
import type { Tracer } from './observe/tracer.ts'
import { createRequestCheck } from './exchange/request-check.ts'
import { createIdleWatch } from './exchange/idle-watch.ts'
import { VERSION } from './version.ts'

export type AppOptions = {
  readonly config: Config
  /** Identifies the text of the configuration. */
  readonly configVersion: string
  readonly places: ConfigEnvironment
  readonly logger: Logger
  /** Undefined if tracing is off. */
  readonly tracer?: Tracer | undefined
  readonly droppedLogLines?: () => number
  /** Another HTTP client for upstreams; tests and the benchmark compare them. */
  readonly openUpstream?: ServiceOptions['openUpstream']
  readonly clock?: Clock
}

/** Work in progress. */
type Pending = {
  readonly requests: number
  readonly tunnels: number
  /** The names of the tokens that are being requested. */
  readonly tokenRequests: readonly string[]
}

export type App = {
  /** Of the first listener. */
  readonly proxyUrl: string
  readonly listeners: readonly OpenListener[]
  readonly adminUrl: string
  /** `isRejected`: a required token will not be issued until the configuration or the client changes. */
  readonly readiness: () => Readiness & { readonly isRejected: boolean }
  /** Resolves on `POST /quit`. */
  readonly quit: Promise<void>
  /**
   * Serves further requests with this configuration. Requests in flight keep the old one, and tokens and
   * connections with the same definition are kept. Returns the settings that need a restart. Fails and
   * changes nothing if a file that it names cannot be used.
   */
  readonly reload: (config: Config, configVersion: string) => Promise<string[]>
  /** The file was read and has not changed. */
  readonly unchanged: () => void
  /** The file, as it is now, is not valid. */
  readonly refuse: (problems: readonly string[]) => void
  /** Drains: not ready, requests in flight may finish within the deadline, then everything is closed. */
  readonly close: () => Promise<void>
  /** How long `close` may take. */
  readonly shutdownMs: () => number
  readonly pending: () => Pending
}

/**
 * The composition root. Sockets open last, so that no request arrives before everything is ready to
 * serve it.
 */
export async function startApp(options: AppOptions): Promise<App> {
  const { places, logger, tracer, openUpstream, clock = systemClock } = options
  await using cleanup = new AsyncDisposableStack()
  const descriptorLimit = readDescriptorLimit()
  const descriptors = createDescriptorWatch(descriptorLimit, { clock, logger })
  cleanup.defer(descriptors.stop)
  const metrics = createMetrics({
    version: VERSION,
    descriptorFailures: descriptors.failures,
    descriptorLimit,
    ...(options.droppedLogLines !== undefined && { droppedLogLines: options.droppedLogLines }),
  })
  const startedAtMs = clock.wallMs()
  const idle = createIdleWatch(clock)
  const failures = createRecentFailures(clock)
  const history = createRouteHistory(clock)
  cleanup.defer(history.stop)
  const observed = { logger, metrics, tracer, failures, descriptors }
  const ownPorts = new Set<number>()
  const parts = {
    listeners: options.config.listen,
    places,
    ...observed,
    clock,
    idle,
    ownPorts,
    openUpstream,
  }
  const createService = createServiceFactory(parts)
  const quit = Promise.withResolvers<void>()
  let draining = false
  let configuration: ConfigurationState = {
    version: options.configVersion,
    loadedAtMs: startedAtMs,
    problems: [],
  }

  let current = await createService(options.config)
  /** Services of earlier configurations that have requests or token requests in flight, and whether they are closed. */
  const retired = new Map<Service, { isClosed: boolean }>()
  let checkAdminRequest = createRequestCheck(
    adminOriginPolicy(options.config, options.config.access),
  )
  cleanup.defer(async () => await current.close())
  begin(options.configVersion)

  function begin(version: string): void {
    configuration = { version, loadedAtMs: clock.wallMs(), problems: [] }
    metrics.reloads.loaded(configuration.loadedAtMs)
    metrics.watch({
      tokens: current.tokens.map((token) => ({ ...token, read: token.source.state })),
      upstreams: current.upstreams.map(({ origin, load }) => ({ origin, read: load })),
      rejections: [...current.rejections].map(([route, { read }]) => ({ route, read })),
      hasTokenStore: current.config.tokenStore !== undefined,
    })
    history.follow(new Map(current.config.routes.map(({ name }) => [name, metrics.route(name)])))
  }

  function prefetch(): void {
    for (const token of current.tokens) {
      if (token.prefetch && token.source.state().obtainedAtMs === undefined) token.source.prepare()
    }
  }

  const readRejections = (route: string) => ({
    route,
    rejection: current.rejections.get(route)?.read(),
    lastMinute: history.lastMinute(route),
  })
  const tokenStates = () =>
    current.tokens.map((token) => ({ ...token, state: token.source.state() }))
  const interception = () =>
    interceptionStatus(
      metrics.interception.list(),
      new Set(current.config.routes.map(({ match }) => match.host?.toLowerCase())),
      clock.wallMs(),
    )
  const readiness = () =>
    readinessOf(
      tokenStates(),
      current.config.routes.map(({ name }) => readRejections(name)),
      interception(),
      draining,
    )
  const renewTokens = createTokenRenewal(clock)
  const admin = createAdminServer({
    metrics,
    readiness,
    quit: () => {
      if (current.config.shutdown.quit) quit.resolve()
      return current.config.shutdown.quit
    },
    renew: (credential) => renewTokens(credential, current.tokens),
    status: () => ({
      version: VERSION,
      node: process.versions.node,
      at: new Date(clock.wallMs()).toISOString(),
      startedAt: new Date(startedAtMs).toISOString(),
      listeners: listeners.opened(),
      ...readiness(),
      configuration: configurationStatus(configuration),
      routes: current.config.routes.map(
        ({ name, match, listeners: names, upstream, credential }) => ({
          route: name,
          match,
          listeners: names,
          upstream,
          credential,
          token: current.tokenOf.get(name),
          inFlight: metrics.route(name).inFlight(),
          ...rejectionsOfRoute(readRejections(name)),
        }),
      ),
      tokens: current.tokens.map((token) => tokenStatus(token, clock.wallMs())),
      interception: interception(),
      protocols: protocolsStatus(metrics.protocols()),
      failures: failures.list().map(failureStatus),
    }),
    history: history.read,
    checkRequest: (req) => checkAdminRequest(req),
  })
  const listeners = await createProxyListeners({
    config: options.config,
    service: (name) => current.forListener(name),
    readFile: places.readFile,
    descriptorLimit,
    logger,
    metrics,
    clock,
    onAcceptError: descriptors.note,
    onDeadline: () =>
      logger.warn(pending(), 'shutdown deadline exceeded: closing open connections'),
  })
  const reportClosed = createRateLimit(clock, (connections) =>
    logger.warn({ connections }, 'too many admin connections: idle ones are closed'),
  )
  const { admin: maxAdmin } = divideDescriptors(descriptorLimit, options.config.limits.connections)
  limitConnections(admin, maxAdmin, () => reportClosed(undefined))
  const reportUnreadable = createRateLimit(clock, (requests, { code, message }: SidecarError) =>
    logger.warn({ code, reason: message, requests }, 'cannot read a request to the admin listener'),
  )
  refuseUnreadable(admin, reportUnreadable)

  async function retire(service: Service): Promise<void> {
    const state = { isClosed: false }
    retired.set(service, state)
    try {
      await service.retire()
    } catch (cause) {
      logger.warn(
        { stack: stackFrames(cause) },
        'cannot close the resources of a replaced configuration',
      )
    }
    state.isClosed = true
    for (const [earlier, { isClosed }] of retired) {
      const isRequesting = earlier.tokens.some(({ source }) => source.state().requesting)
      if (isClosed && !isRequesting) retired.delete(earlier)
    }
  }

  function pending(): Pending {
    const requesting = [...retired.keys(), current].flatMap(({ tokens }) =>
      tokens.filter(({ source }) => source.state().requesting),
    )
    // Services share the token sources that their configurations define in the same way.
    const bySource = new Map(requesting.map(({ source, token }) => [source, token]))
    return { ...metrics.pending(), tokenRequests: [...bySource.values()] }
  }

  const adminListener = await listen(admin, options.config.admin, clock, {
    onAcceptError: descriptors.note,
  })
  cleanup.defer(async () => await adminListener.close(0))
  await listeners.open()
  for (const { url } of [adminListener, ...listeners.opened()]) {
    const port = portOf(url)
    if (port !== undefined) ownPorts.add(port)
  }
  cleanup.defer(async () => {
    draining = true
    const { shutdown } = current.config
    await new Promise<void>((resolve) => void clock.schedule(shutdown.delay, resolve))
    await listeners.close(shutdown)
  })

  // After listening, so that a start that fails with EADDRINUSE sends no token request.
  prefetch()
  const owned = cleanup.move()
  const opened = listeners.opened()
  return {
    proxyUrl: opened[0]?.url ?? '',
    listeners: opened,
    adminUrl: adminListener.url,
    readiness: () => ({ ...readiness(), isRejected: isRejected(tokenStates()) }),
    quit: quit.promise,
    async reload(config, version) {
      const fixed = fixedChanges(options.config, config)
      const next = await createService(config)
      const last = current
      current = next
      checkAdminRequest = createRequestCheck(adminOriginPolicy(options.config, config.access))
      listeners.setLimits(config)
      begin(version)
      prefetch()
      metrics.reloads.reloaded('success')
      void retire(last)
      return fixed
    },
    unchanged: () => metrics.reloads.reloaded('unchanged'),
    refuse(problems) {
      configuration = { ...configuration, problems }
      metrics.reloads.reloaded('failure')
    },
    close: async () => await owned.disposeAsync(),
    shutdownMs: () => current.config.shutdown.delay + current.config.shutdown.deadline,
    pending,
  }
}

/** Undefined for a Unix socket. */
function portOf(url: string): number | undefined {
  const { protocol, port = '' } = URL.parse(url) ?? {}
  if (protocol === 'http:') return Number(port) || 80
  return protocol === 'https:' ? Number(port) || 443 : undefined
}
