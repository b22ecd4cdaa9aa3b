import { histogramSamples, type MetricDefinition } from './metric-definition.ts'
import type { TokenRequestMetrics } from './token-request-metrics.ts'
import type { TokenStoreMetrics } from './token-store-metrics.ts'

export type WatchedToken = {
  readonly credential: string
  /** The name of the credential, or of the route with its own token parameters. */
  readonly token: string
  readonly read: () => {
    usable: boolean
    expiresAtMs: number | undefined
    lifetimeMs: number | undefined
  }
}

/** The metrics with the label `credential`. */
export function tokenMetricDefinitions(sources: {
  readonly credentials: ReadonlyMap<string, TokenRequestMetrics>
  readonly tokens: () => readonly WatchedToken[]
}): MetricDefinition[] {
  const { credentials } = sources
  const perToken = (value: (state: ReturnType<WatchedToken['read']>) => number | undefined) => () =>
    sources.tokens().flatMap(({ credential, token, read }) => {
      const known = value(read())
      return known === undefined ? [] : [{ labels: { credential, token }, value: known }]
    })
  return [
    {
      name: 'token_sidecar_token_requests_total',
      type: 'counter',
      help: 'Token requests, by outcome',
      labels: ['credential', 'outcome'],
      read: () =>
        [...credentials].flatMap(([credential, metrics]) =>
          [...metrics.read().outcomes].map(([outcome, value]) => ({
            labels: { credential, outcome },
            value,
          })),
        ),
    },
    {
      name: 'token_sidecar_tokens_obtained_total',
      type: 'counter',
      help: 'Tokens obtained: issued if there was none, renewed before expiry, replaced after an API rejected one, or shared by another sidecar through the token store',
      labels: ['credential', 'reason'],
      read: () =>
        [...credentials].flatMap(([credential, metrics]) =>
          [...metrics.read().reasons].map(([reason, value]) => ({
            labels: { credential, reason },
            value,
          })),
        ),
    },
    {
      name: 'token_sidecar_tokens_refused_total',
      type: 'counter',
      help: 'Tokens that an API rejected although they had not expired',
      labels: ['credential'],
      read: () =>
        [...credentials].map(([credential, metrics]) => ({
          labels: { credential },
          value: metrics.read().refusals,
        })),
    },
    {
      name: 'token_sidecar_token_request_duration_seconds',
      type: 'histogram',
      help: 'Duration of token requests, including discovery',
      labels: ['credential'],
      read: () =>
        [...credentials].flatMap(([credential, metrics]) =>
          histogramSamples({ credential }, metrics.read().duration),
        ),
    },
    {
      name: 'token_sidecar_token_expiry_timestamp_seconds',
      type: 'gauge',
      help: 'Expiry of the cached token, in seconds since 1970; absent until there is one',
      labels: ['credential', 'token'],
      read: perToken(({ expiresAtMs }) => expiresAtMs && expiresAtMs / 1000),
    },
    {
      name: 'token_sidecar_token_lifetime_seconds',
      type: 'gauge',
      help: 'Lifetime with which the cached token was issued',
      labels: ['credential', 'token'],
      read: perToken(({ lifetimeMs }) => lifetimeMs && lifetimeMs / 1000),
    },
    {
      name: 'token_sidecar_token_usable',
      type: 'gauge',
      help: '1 if the cached token is usable, else 0; a token that no request needs is not renewed, so 0 is not always a problem',
      labels: ['credential', 'token'],
      read: perToken(({ usable }) => Number(usable)),
    },
  ]
}

/** The metrics of the token store; without samples where there is none. */
export function tokenStoreMetricDefinitions(
  read: () => ReturnType<TokenStoreMetrics['read']> | undefined,
): MetricDefinition[] {
  return [
    {
      name: 'token_sidecar_token_store_up',
      type: 'gauge',
      help: '1 while the token store works, 0 while each sidecar requests its own tokens; absent without "tokenStore"',
      labels: [],
      read() {
        const store = read()
        return store === undefined ? [] : [{ labels: {}, value: store.isAvailable ? 1 : 0 }]
      },
    },
    {
      name: 'token_sidecar_token_store_operations_total',
      type: 'counter',
      help: 'Operations of the token store: read, write, lock and delete, by outcome',
      labels: ['operation', 'outcome'],
      read: () =>
        (read()?.operations ?? []).map(({ operation, outcome, count }) => ({
          labels: { operation, outcome },
          value: count,
        })),
    },
    {
      name: 'token_sidecar_token_store_ignored_entries_total',
      type: 'counter',
      help: 'Entries of the token store that could not be decrypted or read, and were replaced',
      labels: [],
      read() {
        const store = read()
        return store === undefined ? [] : [{ labels: {}, value: store.ignored }]
      },
    },
  ]
}
