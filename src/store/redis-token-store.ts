import { randomUUID } from 'node:crypto'
import type { Clock } from '../lib/clock.ts'
import { fingerprint } from '../lib/fingerprint.ts'
import type { Logger } from '../observe/logger.ts'
import type { StoreOperation, TokenStoreMetrics } from '../observe/token-store-metrics.ts'
import type { StoredValue, TokenStore } from '../tokens/token-store.ts'
import type { RedisAccess, RedisLink } from './redis-link.ts'
import { isWrongType, storeFault, StoreTimeout } from './store-fault.ts'

export type RedisTokenStoreOptions = {
  /** Reads user name, password and certificates, which may be rotated. */
  readonly readAccess: () => Promise<RedisAccess>
  readonly open: (access: RedisAccess, onLost: (cause: unknown) => void) => Promise<RedisLink>
  readonly prefix: string
  /** For one operation, including the wait for the first connection. */
  readonly timeoutMs: number
  readonly log: Logger
  readonly metrics: TokenStoreMetrics
  readonly clock: Clock
}

export type RedisTokenStore = TokenStore & {
  /** Writes, reads and deletes an entry. Fails with the cause. */
  readonly probe: () => Promise<void>
  readonly close: () => void
}

/** For the connection, the TLS handshake and authentication together. */
const CONNECT_TIMEOUT_MS = 5_000
/** How often a store that cannot be used is tried again. */
const PROBE_INTERVAL_MS = 1_000
/** How often the files of user name, password and certificates are read again. */
const ACCESS_INTERVAL_MS = 10_000

const WRITE_IF_LATER = `
local stored = redis.pcall('GET', KEYS[1])
local expiry = type(stored) == 'string' and tonumber(string.match(stored, '^(%d+)%.'))
if expiry and expiry > tonumber(string.match(ARGV[1], '^(%d+)%.')) then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1`

const DELETE_IF = `
if redis.pcall('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end
return 0`

/**
 * The token store in Valkey or Redis. An operation is tried once: a store that does not respond is not used until
 * a probe in the background succeeds, so that a token request waits for it at most once.
 */
export function createRedisTokenStore(options: RedisTokenStoreOptions): RedisTokenStore {
  const { readAccess, open, prefix, timeoutMs, log, metrics, clock } = options
  let link: RedisLink | undefined
  let accessFingerprint = ''
  /** Undefined while the store works, and before the first connection. */
  let trouble: string | undefined
  let isClosed = false
  let cancelProbe: (() => void) | undefined

  const firstConnection = connect().then(
    () => becomeAvailable(),
    (cause: unknown) => becomeUnavailable(cause, probeKey('')),
  )
  let cancelWatch = watchAccess()

  return {
    async read(keys) {
      const values = await Promise.all(keys.map(async (key) => await readOne(key)))
      return values
    },
    async write(key, text, lifetimeMs) {
      await run('write', key, ['SET', key, text, 'PX', milliseconds(lifetimeMs)])
    },
    async writeIfLater(key, text, lifetimeMs) {
      const command = ['EVAL', WRITE_IF_LATER, '1', key, text, milliseconds(lifetimeMs)]
      await run('write', key, command)
    },
    async acquire(key, text, lifetimeMs) {
      const command = ['SET', key, text, 'NX', 'PX', milliseconds(lifetimeMs)]
      return (await run('lock', key, command)) === 'OK'
    },
    async deleteIf(key, text) {
      await run('delete', key, ['EVAL', DELETE_IF, '1', key, text])
    },
    async probe() {
      await firstConnection
      if (link === undefined) await connect()
      await exchange(probeKey(''))
    },
    close() {
      isClosed = true
      cancelProbe?.()
      cancelWatch()
      link?.close()
      link = undefined
    },
  }

  async function readOne(key: string): Promise<StoredValue | undefined> {
    const [text, remaining] = await Promise.all([
      run('read', key, ['GET', key]),
      run('read', key, ['PTTL', key]),
    ])
    if (typeof text !== 'string' || typeof remaining !== 'number') return undefined
    // -1 for an entry without an expiry, which none of ours is.
    return { text, remainingMs: Math.max(0, remaining) }
  }

  /** Sends one command within the time limit. */
  async function run(
    operation: StoreOperation,
    key: string,
    command: readonly string[],
  ): Promise<unknown> {
    try {
      const reply = await withinTimeout(timeoutMs, async () => {
        if (link === undefined && trouble === undefined) await firstConnection
        if (link === undefined) throw new Error('the store is not connected')
        return await sendTo(link, key, command)
      })
      metrics.operation(operation, 'success')
      return reply
    } catch (cause) {
      metrics.operation(operation, 'failure')
      if (trouble === undefined) becomeUnavailable(cause, key)
      throw cause
    }
  }

  async function withinTimeout<T>(limitMs: number, work: () => Promise<T>): Promise<T> {
    const { promise: expired, reject } = Promise.withResolvers<never>()
    // A reply that arrived while the event loop was busy is read before the timeout takes effect.
    const cancel = clock.schedule(
      limitMs,
      () => void setImmediate(() => reject(new StoreTimeout())),
    )
    try {
      return await Promise.race([work(), expired])
    } finally {
      cancel()
    }
  }

  async function connect(): Promise<void> {
    const access = await readAccess()
    let opened: RedisLink | undefined
    let lost: { readonly cause: unknown } | undefined
    const opening = open(access, (cause) => {
      lost = { cause }
      if (opened !== undefined && link === opened) lose(opened, cause)
    })
    try {
      opened = await withinTimeout(CONNECT_TIMEOUT_MS, async () => await opening)
    } catch (cause) {
      // It may still be established later.
      opening.then((late) => late.close()).catch(() => {})
      throw cause
    }
    if (isClosed || lost !== undefined) {
      opened.close()
      throw new Error('the connection was lost', { cause: lost?.cause })
    }
    link?.close()
    link = opened
    accessFingerprint = fingerprintOf(access)
  }

  function lose(lost: RedisLink, cause: unknown): void {
    link = undefined
    lost.close()
    if (trouble === undefined) becomeUnavailable(cause, probeKey(''))
  }

  function becomeAvailable(): void {
    metrics.stateChanged(true)
    cancelProbe?.()
    if (trouble === undefined) return
    trouble = undefined
    log.info('token store available again')
  }

  /** Tries again in the background. */
  function becomeUnavailable(cause: unknown, key: string): void {
    if (isClosed) return
    const { reason, isReply } = storeFault(cause)
    metrics.stateChanged(false)
    if (trouble === undefined) {
      log.warn({ reason }, 'token store unavailable: this sidecar requests its own tokens')
    }
    trouble = reason
    if (!isReply) {
      link?.close()
      link = undefined
    }
    cancelProbe?.()
    cancelProbe = clock.schedule(PROBE_INTERVAL_MS, () => void probeAgain(probeKey(key)))
  }

  async function probeAgain(key: string): Promise<void> {
    try {
      if (link === undefined) await connect()
      await exchange(key)
      becomeAvailable()
    } catch (cause) {
      becomeUnavailable(cause, key)
    }
  }

  /** Writes, reads and deletes an entry. */
  async function exchange(key: string): Promise<void> {
    const text = randomUUID()
    await withinTimeout(timeoutMs, async () => {
      if (link === undefined) throw new Error('the store is not connected')
      await link.send(key, ['SET', key, text, 'PX', '5000'])
      const found = await link.send(key, ['GET', key])
      if (found !== text) throw new Error('the store does not return what was written')
      await link.send(key, ['EVAL', DELETE_IF, '1', key, text])
    })
  }

  /** In the slot of `key`, because a cluster may have lost that slot only. */
  function probeKey(key: string): string {
    const [tag = '{probe}'] = /\{[^}]+\}/.exec(key) ?? []
    return `${prefix}${tag}:probe:${randomUUID()}`
  }

  /** Connects again with files that have changed. */
  function watchAccess(): () => void {
    return clock.schedule(ACCESS_INTERVAL_MS, () => {
      void renewAccess().finally(() => {
        if (!isClosed) cancelWatch = watchAccess()
      })
    })
  }

  async function renewAccess(): Promise<void> {
    if (link === undefined) return
    try {
      if (fingerprintOf(await readAccess()) !== accessFingerprint) await connect()
    } catch {
      // The present connection remains in use; files that do not match yet are read again later.
    }
  }
}

/** An entry of another type is damaged; that is no fault of the store. */
async function sendTo(
  { send }: RedisLink,
  key: string,
  command: readonly string[],
): Promise<unknown> {
  try {
    return await send(key, command)
  } catch (cause) {
    if (isWrongType(cause)) return ''
    throw cause
  }
}

function milliseconds(lifetimeMs: number): string {
  return String(Math.max(1, Math.floor(lifetimeMs)))
}

function fingerprintOf({ username, password, tls }: RedisAccess): string {
  return fingerprint(username, password, tls?.ca, tls?.cert, tls?.key)
}
