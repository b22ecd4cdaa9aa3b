import type { ListenerConfig } from '../config/listen-schema.ts'
import type { ReadFile } from '../config/read-file.ts'
import { isWildcard } from '../config/listen-address.ts'
import type { Config } from '../config/schema.ts'
import { type CountLimits, createConnectionCount } from '../inbound/connection-count.ts'
import { createProxyServer, type ProxyServer, type ProxyService } from '../inbound/http1-server.ts'
import type { ListenerTls } from '../inbound/listener.ts'
import type { RedirectedConnectionPolicy } from '../inbound/redirected-connections.ts'
import type { Clock } from '../lib/clock.ts'
import { divideDescriptors } from '../lib/descriptor-limit.ts'
import { listen, type Listener } from '../lib/listen.ts'
import { watchOwnConnections } from '../lib/own-connections.ts'
import { createRateLimit } from '../lib/rate-limit.ts'
import type { Logger } from '../observe/logger.ts'
import { createRejectionLog } from '../observe/rejected-connections.ts'
import type { Metrics } from '../observe/metrics.ts'
import { readListenerTls, watchListenerTls } from './listener-tls.ts'

/** The listeners that the application sends its requests to. */
export type ProxyListeners = {
  readonly open: () => Promise<void>
  /** Those that are open, in the order of the configuration. */
  readonly opened: () => readonly OpenListener[]
  /** Applies the limits of another configuration. */
  readonly setLimits: (config: Pick<Config, 'limits'>) => void
  /** Lets requests in flight finish until the deadline, and closes all connections after it. */
  readonly close: (shutdown: Pick<Config['shutdown'], 'deadline' | 'upgraded'>) => Promise<void>
}

export type OpenListener = {
  readonly name: string
  readonly url: string
}

export type ProxyListenersOptions = {
  readonly config: Pick<Config, 'listen' | 'limits'>
  /** What serves the next request of the listener with this name; a reload changes it. */
  readonly service: (name: string) => ProxyService
  readonly readFile: ReadFile
  readonly descriptorLimit: number
  readonly logger: Logger
  readonly metrics: Metrics
  readonly clock: Clock
  /** Called when a connection cannot be accepted. */
  readonly onAcceptError: (error: Error) => void
  /** Called when connections are still open at the deadline. */
  readonly onDeadline: () => void
}

type Created = {
  readonly listener: ListenerConfig
  readonly tls: ListenerTls | undefined
  readonly proxy: ProxyServer
}

/** Creates the listeners, and reads their certificates. No address is bound before `open`. */
export async function createProxyListeners(
  options: ProxyListenersOptions,
): Promise<ProxyListeners> {
  const { config, descriptorLimit, logger, metrics, clock } = options
  const connectionCount = createConnectionCount(countLimits(config))
  const reportDropped = createRateLimit(clock, (connections) =>
    logger.warn({ connections }, 'too many connections: new ones are closed'),
  )
  const logRejected = createRejectionLog(logger, clock)
  const cancels: (() => void)[] = []
  const created = await Promise.all(config.listen.map(create))
  const opened: { readonly name: string; readonly listener: Listener }[] = []

  async function create(listener: ListenerConfig): Promise<Created> {
    const tls = await readListenerTls(listener, options.readFile)
    const proxy = createProxyServer({
      tls,
      redirected: listener.mode === 'transparent' ? redirectedPolicy(listener) : undefined,
      service: () => options.service(listener.name),
      maxHeaderBytes: config.limits.headers,
      timeouts: config.limits,
      connectionCount,
      onOtherProtocol: (protocol) => metrics.otherProtocol(protocol),
      http2Metrics: metrics.http2.client,
      clock,
    })
    proxy.server.on('drop', () => reportDropped(undefined))
    return { listener, tls, proxy }
  }

  function redirectedPolicy({ name, address }: ListenerConfig): RedirectedConnectionPolicy {
    const own = watchOwnConnections()
    cancels.push(own.close)
    return {
      isOwn: own.isPeerOf,
      // Redirected connections of this machine arrive at a loopback address.
      servesOtherMachines: !isWildcard(address),
      onRejected(reason, host) {
        metrics.rejectedConnection(reason)
        logRejected(name, reason, host)
      },
    }
  }

  async function open({ listener, tls, proxy }: Created): Promise<void> {
    const { name, address } = listener
    const bound = await listen(proxy.server, address, clock, {
      onAcceptError: options.onAcceptError,
      closeAll: proxy.destroyConnections,
    })
    opened.push({ name, listener: bound })
    if (tls !== undefined) {
      const read = async () => await readListenerTls(listener, options.readFile)
      cancels.push(watchListenerTls(tls, read, clock, proxy.setTls))
    }
  }

  function countLimits({ limits }: Pick<Config, 'limits'>): CountLimits {
    const { served, surplus } = divideDescriptors(descriptorLimit, limits.connections)
    return { connections: served, surplusConnections: surplus }
  }

  function reportReducedLimit({ limits }: Pick<Config, 'limits'>): void {
    const { connections: configured } = limits
    const { connections: served } = countLimits({ limits })
    if (served === configured) return
    logger.info(
      { configured, served, descriptors: descriptorLimit },
      'connection limit reduced: the limit of open files is too low',
    )
  }

  async function close(deadlineMs: number): Promise<void> {
    for (const cancel of cancels) cancel()
    await Promise.all(opened.map(async ({ listener }) => await listener.close(deadlineMs)))
  }

  return {
    async open() {
      try {
        for (const each of created) await open(each)
        reportReducedLimit(config)
      } catch (error) {
        await close(0)
        throw error
      }
    },
    opened: () => opened.map(({ name, listener: { url } }) => ({ name, url })),
    setLimits(changed) {
      connectionCount.setLimits(countLimits(changed))
      reportReducedLimit(changed)
      for (const { proxy } of created) proxy.setTimeouts(changed.limits)
    },
    async close({ deadline, upgraded }) {
      for (const { proxy } of created) proxy.endConnections()
      const cancelTunnels = clock.schedule(upgraded, () => {
        for (const { proxy } of created) proxy.destroyTunnels()
      })
      const cancelDeadline = clock.schedule(deadline, options.onDeadline)
      await close(deadline)
      cancelTunnels()
      cancelDeadline()
    },
  }
}
