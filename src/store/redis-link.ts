import { createClient, createCluster, createSentinel } from '@redis/client'
import type { TlsMaterial } from '../lib/tls-material.ts'

/** A connection to Valkey or Redis: to one server, to a cluster, or to the primary that Sentinel names. */
export type RedisLink = {
  /** Sends one command to the server that is responsible for `key`. */
  readonly send: (key: string, command: readonly string[]) => Promise<unknown>
  readonly close: () => void
}

export type RedisServers = {
  readonly mode: 'standalone' | 'sentinel' | 'cluster'
  /** One server, some servers of the cluster, or the Sentinels. */
  readonly addresses: readonly { readonly host: string; readonly port: number }[]
  /** The name of the primary, for Sentinel. */
  readonly primary: string
  readonly database: number
}

export type RedisAccess = {
  readonly username: string | undefined
  readonly password: string | undefined
  /** Undefined without TLS. */
  readonly tls: TlsMaterial | undefined
}

/** Commands that wait for a reply, at most. */
const MAX_PENDING = 1_000
/** How often a connection that may be dead is checked, and when it is given up. */
const PING_INTERVAL_MS = 5_000
const SOCKET_TIMEOUT_MS = 15_000

/** Connects. `onLost` is called when the connection is lost for good. */
export async function openRedisLink(
  { mode, addresses, primary, database }: RedisServers,
  { username, password, tls }: RedisAccess,
  onLost: (cause: unknown) => void,
): Promise<RedisLink> {
  const common = {
    socketTimeout: SOCKET_TIMEOUT_MS,
    // A new link is opened instead, with credentials and certificates that may have changed.
    reconnectStrategy: false,
  } as const
  const socket = tls === undefined ? common : ({ ...common, ...tls, tls: true } as const)
  const client = {
    ...(username !== undefined && { username }),
    ...(password !== undefined && { password }),
    socket,
    RESP: 2,
    disableOfflineQueue: true,
    disableClientInfo: true,
    maintNotifications: 'disabled',
    commandsQueueMaxLength: MAX_PENDING,
    pingInterval: PING_INTERVAL_MS,
  } as const

  switch (mode) {
    case 'standalone': {
      const [address] = addresses
      const redis = createClient({
        ...client,
        socket: { ...socket, host: address?.host ?? '', port: address?.port ?? 0 },
        database,
      })
      redis.on('error', onLost)
      await connected(redis)
      return {
        send: async (_key, command) => await redis.sendCommand([...command]),
        close: () => redis.destroy(),
      }
    }
    case 'cluster': {
      const redis = createCluster({
        rootNodes: addresses.map((address) => ({ ...client, socket: { ...socket, ...address } })),
        defaults: client,
        RESP: 2,
      })
      redis.on('error', onLost)
      await connected(redis)
      return {
        send: async (key, command) => await redis.sendCommand(key, false, [...command]),
        close: () => redis.destroy(),
      }
    }
    case 'sentinel': {
      const redis = createSentinel({
        name: primary,
        sentinelRootNodes: [...addresses],
        nodeClientOptions: { ...client, database },
        sentinelClientOptions: { socket },
        RESP: 2,
      })
      redis.on('error', onLost)
      await connected(redis)
      return {
        send: async (_key, command) => await redis.sendCommand(false, [...command]),
        close: () => void redis.destroy(),
      }
    }
  }
}

async function connected(redis: {
  readonly connect: () => Promise<unknown>
  readonly destroy: () => unknown
}): Promise<void> {
  try {
    await redis.connect()
  } catch (cause) {
    await Promise.resolve(redis.destroy()).catch(() => {})
    throw cause
  }
}
