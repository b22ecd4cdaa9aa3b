import { randomUUID } from 'node:crypto'
import { type SidecarError, toSidecarError } from '../errors.ts'
import type { Clock } from '../lib/clock.ts'
import type { TokenStoreMetrics } from '../observe/token-store-metrics.ts'
import { type AccessToken, isUsable } from './access-token.ts'
import type { DpopKey } from './dpop.ts'
import { fleetBackoffMs } from './renewal.ts'
import type { StoreKey } from './store-keys.ts'
import { failureFromText, failureToText, tokenFromText, tokenToText } from './token-entry.ts'
import type { TokenDemand, TokenRequest } from './token-source.ts'
import type { TokenStore } from './token-store.ts'

export type SharedTokenRequestOptions = {
  readonly store: TokenStore
  /** The first names and encrypts entries; entries of the others are read as well. */
  readonly keys: () => Promise<readonly StoreKey[]>
  /**
   * Everything that makes one token different from another: server, client, proof, grant, scopes and so on.
   * It changes with the secret of the client.
   */
  readonly describe: () => Promise<string>
  readonly dpop: DpopKey | undefined
  /** The time limit of a token request: no replica waits longer for another. */
  readonly timeoutMs: number
  readonly metrics: Pick<TokenStoreMetrics, 'ignored'>
  readonly clock: Clock
  /** Uniform in [0, 1). */
  readonly random: () => number
}

/** The minimum time between two tokens that replace a rejected one, in the whole fleet. */
const REPLACE_INTERVAL_MS = 10_000
/** How much longer than a token request its lock may last, if the replica that holds it is gone. */
const LOCK_MARGIN_MS = 2_000
/** How often a replica looks whether another has stored its token. */
const POLL_INTERVAL_MS = 50
/** Added at random, so that replicas do not look at the same time. */
const POLL_JITTER_MS = 50

/** The names of the entries of one token under one key. */
type Names = Readonly<Record<'token' | 'failure' | 'lock' | 'replaced', string>> & {
  readonly key: StoreKey
}

/** What the store has for a demand. */
type Stored = {
  readonly token: AccessToken | undefined
  readonly failure: SidecarError | undefined
  /** Entries that a new token has to replace, whatever their expiry. */
  readonly obsolete: readonly Entry[]
}

type Entry = { readonly name: string; readonly text: string }

type Decision =
  | { readonly token: AccessToken }
  | { readonly failure: SidecarError }
  /** This replica holds the lock and has to request the token. */
  | { readonly lock: Entry }
  /** Another replica holds the lock. */
  | 'wait'

/**
 * Takes a token from the store of the fleet, and requests one only if the store has none that is wanted.
 * Of the replicas that want one at the same time, one requests it and the others wait for that. When the
 * store cannot be used, each replica requests its own. Tokens of client credentials are independent of
 * each other, so that a lost lock costs one more token request and nothing else.
 */
export function createSharedTokenRequest(
  request: TokenRequest,
  options: SharedTokenRequestOptions,
): TokenRequest {
  const { store, keys, describe, dpop, timeoutMs, metrics, clock, random } = options

  return async (trace, demand = { reason: 'missing' }) => {
    const names = await readNames()
    const [own] = names
    // Without the secret the request fails, too, and reports why.
    if (own === undefined) return await request(trace)
    if (demand.reason === 'forced') return await requestAndShare(own)

    const deadlineMs = clock.monotonicMs() + timeoutMs
    for (;;) {
      const decision = await decide(demand, names, own).catch(() => 'store unavailable' as const)
      if (decision === 'store unavailable') return await request(trace)
      if (decision !== 'wait') {
        if ('token' in decision) return decision.token
        if ('failure' in decision) throw decision.failure
        return await requestAndShare(own, decision.lock)
      }
      // The other replica may have lost its connection to the authorization server.
      if (clock.monotonicMs() >= deadlineMs) return await request(trace)
      await delay(POLL_INTERVAL_MS + random() * POLL_JITTER_MS)
    }

    /** Returns before the token is stored. The lock is released after that, so that the next holder finds the token. */
    async function requestAndShare(at: Names, lock?: Entry): Promise<AccessToken> {
      const release = (): void => {
        if (lock !== undefined) ignoreFailure(store.deleteIf(lock.name, lock.text))
      }
      try {
        const token = await request(trace)
        void share(at, token).then(release, release)
        return token
      } catch (cause) {
        void shareFailure(at, toSidecarError(cause)).then(release, release)
        throw cause
      }
    }
  }

  /** What to do next. Fails if the store cannot be used. */
  async function decide(
    demand: TokenDemand,
    names: readonly Names[],
    own: Names,
  ): Promise<Decision> {
    const before = await lookUp(demand, names)
    if (before.token !== undefined) return { token: before.token }
    if (before.failure !== undefined) return { failure: before.failure }
    const lock = { name: own.lock, text: randomUUID() }
    if (!(await store.acquire(lock.name, lock.text, timeoutMs + LOCK_MARGIN_MS))) return 'wait'
    const release = (): void => ignoreFailure(store.deleteIf(lock.name, lock.text))
    try {
      // The last holder of the lock may have stored its token after the first look.
      const { token, failure, obsolete } = await lookUp(demand, names)
      const decision = token === undefined ? failure && { failure } : { token }
      if (decision === undefined && demand.reason === 'rejected') {
        const isFirst = await store.acquire(own.replaced, lock.text, REPLACE_INTERVAL_MS)
        if (!isFirst) {
          release()
          return { token: demand.current }
        }
      }
      if (decision !== undefined) {
        release()
        return decision
      }
      for (const { name, text } of obsolete) await store.deleteIf(name, text)
      return { lock }
    } catch (cause) {
      release()
      throw cause
    }
  }

  async function lookUp(demand: TokenDemand, names: readonly Names[]): Promise<Stored> {
    const found = await Promise.all(names.map(async (each) => await lookUpIn(each, demand)))
    const tokens = found.flatMap(({ token }) => token ?? [])
    return {
      token: tokens.find((token) => tokens.every((other) => expiryOf(token) >= expiryOf(other))),
      failure: found.find(({ failure }) => failure !== undefined)?.failure,
      obsolete: found.flatMap(({ obsolete }) => obsolete),
    }
  }

  async function lookUpIn({ key, ...names }: Names, demand: TokenDemand): Promise<Stored> {
    const [stored, refused] = await store.read([names.token, names.failure])
    const failureText = refused && key.open(names.failure, refused.text)
    const failure =
      refused && failureText !== undefined
        ? failureFromText(failureText, refused.remainingMs)
        : undefined
    if (stored === undefined) return { token: undefined, failure, obsolete: [] }
    const { text, remainingMs } = stored
    const tokenText = key.open(names.token, text)
    const token =
      tokenText === undefined ? undefined : tokenFromText(tokenText, { dpop, remainingMs, clock })
    if (token === undefined) metrics.ignored()
    else if (isUsable(token, clock) && isWanted(token, demand)) {
      return { token, failure, obsolete: [] }
    }
    const isObsolete = token === undefined || demand.reason === 'rejected'
    return { token: undefined, failure, obsolete: isObsolete ? [{ name: names.token, text }] : [] }
  }

  async function share({ key, token: name }: Names, token: AccessToken): Promise<void> {
    const expiresAtMs = expiryOf(token)
    const remainingMs = expiresAtMs - clock.wallMs()
    if (remainingMs < 1) return
    const text = key.seal(name, expiresAtMs, tokenToText(token))
    await store.writeIfLater(name, text, remainingMs)
  }

  async function shareFailure({ key, failure: name }: Names, error: SidecarError): Promise<void> {
    const backoffMs = fleetBackoffMs(error)
    if (backoffMs === undefined) return
    const text = key.seal(name, clock.wallMs() + backoffMs, failureToText(error))
    await store.write(name, text, backoffMs)
  }

  async function readNames(): Promise<Names[]> {
    try {
      const [all, description] = await Promise.all([keys(), describe()])
      return all.map((key) => ({
        key,
        token: key.nameOf(description, 'token'),
        failure: key.nameOf(description, 'failure'),
        lock: key.nameOf(description, 'lock'),
        replaced: key.nameOf(description, 'replaced'),
      }))
    } catch {
      return []
    }
  }

  async function delay(ms: number): Promise<void> {
    await new Promise<void>((resolve) => void clock.schedule(ms, resolve))
  }
}

/** Whether a stored token serves the purpose of the demand. */
function isWanted(token: AccessToken, demand: TokenDemand): boolean {
  switch (demand.reason) {
    case 'missing': {
      return true
    }
    case 'renewal': {
      return expiryOf(token) > expiryOf(demand.current) + MIN_GAIN_MS
    }
    case 'rejected': {
      return token.value.reveal() !== demand.current.value.reveal()
    }
    case 'forced': {
      return false
    }
  }
}

/** Less is a difference between clocks, not another token. */
const MIN_GAIN_MS = 1_000

/** Milliseconds since 1970. */
function expiryOf({ obtainedAt, lifetimeMs }: AccessToken): number {
  return obtainedAt.wallMs + lifetimeMs
}

/** The store reports its own failures. */
function ignoreFailure(work: Promise<void>): void {
  work.catch(() => {})
}
