import { planRoutes, type RoutePlan } from '../compose/route-plan.ts'
import type { Connected } from '../compose/upstream-probes.ts'
import type { LoadResult } from '../config/load.ts'
import { formatListenAddress } from '../config/listen-address.ts'
import type { ListenerConfig } from '../config/listen-schema.ts'
import type { Config } from '../config/schema.ts'
import { type TokenFacts, tokenFacts, type TokenFailure, tokenFailure } from './describe-token.ts'
import type { StoreReport } from './probe-store.ts'
import type { ProbedUpstream } from './probe-upstreams.ts'
import type { FetchedToken } from './fetch-needed.ts'
import { type ReportedProblem, unreadableProblem } from './reported-problem.ts'
import { type RouteCriteria, routeCriteria } from './route-criteria.ts'
import { tokenFrom } from './token-from.ts'

/**
 * The output of `check --json`, documented in docs/command-line.md. All keys are always present, except `tokens`,
 * `tokenStore` and `upstreams`, which require `--live`.
 */
export type CheckReport = {
  readonly file: string
  readonly valid: boolean
  readonly problems: readonly ReportedProblem[]
  readonly warnings: readonly ReportedProblem[]
  readonly plan: Plan | null
  /** Settings that `--offline` cannot check. */
  readonly unchecked: readonly string[]
  readonly tokens?: readonly TokenReport[]
  /** Null without a token store. */
  readonly tokenStore?: StoreReport | null
  readonly upstreams?: readonly UpstreamReport[]
}

/** What the sidecar does with the configuration. */
export type Plan = {
  readonly listeners: readonly PlannedListener[]
  readonly admin: string
  readonly routes: readonly PlannedRoute[]
  /** Other origins whose web pages may send requests. */
  readonly webPageOrigins: readonly string[]
  readonly credentials: readonly {
    readonly name: string
    readonly clientId: string | null
    readonly tokenFrom: string
    readonly proxy: string | null
  }[]
}

export type PlannedListener = {
  readonly name: string
  readonly address: string
  readonly mode: ListenerConfig['mode']
  readonly tls: boolean
  /** What callers must have: "password", "client certificate" or both. */
  readonly callers: readonly string[]
}

export type PlannedRoute = RouteCriteria & {
  readonly name: string
  readonly upstream: string
  /** The URL of the proxy; null for a direct connection. */
  readonly proxy: string | null
  readonly credential: string | null
  /** Null for all. */
  readonly listeners: readonly string[] | null
}

export type TokenReport = {
  readonly token: string
  readonly credential: string
  readonly obtained: TokenFacts | null
  readonly error: TokenFailure | null
}

export type UpstreamReport = {
  readonly origin: string
  readonly routes: readonly string[]
  readonly proxy: string | null
  readonly connected: { readonly tls: Connected['tls'] | null } | null
  readonly error: string | null
}

export function upstreamReport(probed: ProbedUpstream): UpstreamReport {
  const { origin, routes, proxy } = probed
  return 'connected' in probed
    ? { origin, routes, proxy, connected: { tls: probed.connected.tls ?? null }, error: null }
    : { origin, routes, proxy, connected: null, error: probed.fault }
}

export function checkReport(file: string, result: LoadResult): CheckReport {
  return {
    file,
    valid: result.ok,
    problems: result.ok ? [] : result.problems,
    warnings: result.ok ? result.warnings : [],
    plan:
      result.config === undefined || (result.ok && result.unchecked.length > 0)
        ? null
        : planOf(result.config),
    unchecked: result.ok ? result.unchecked : [],
  }
}

export function planOf(config: Config): Plan {
  const { listen, admin, access, credentials } = config
  return {
    listeners: listen.map(plannedListener),
    admin: formatListenAddress(admin),
    routes: planRoutes(config).map(plannedRoute),
    webPageOrigins: access.origins,
    credentials: Object.entries(credentials).map(([name, credential]) => ({
      name,
      clientId: credential.clientId ?? null,
      tokenFrom: tokenFrom(credential),
      proxy: credential.proxy?.url ?? null,
    })),
  }
}

function plannedListener({ name, address, mode, tls, auth }: ListenerConfig): PlannedListener {
  return {
    name,
    address: formatListenAddress(address),
    mode,
    tls: tls !== undefined,
    callers: [
      ...(auth?.basic === undefined ? [] : ['password']),
      ...(tls?.clientCa === undefined ? [] : ['client certificate']),
    ],
  }
}

function plannedRoute({ config, match, token }: RoutePlan): PlannedRoute {
  return {
    name: config.name,
    ...routeCriteria(match),
    upstream: config.upstream,
    proxy: config.proxy?.url ?? null,
    credential: token?.credentialName ?? null,
    listeners: config.listeners ?? null,
  }
}

export function tokenReport(fetched: FetchedToken): TokenReport {
  const { token, credential } = fetched
  return 'obtained' in fetched
    ? { token, credential, obtained: tokenFacts(fetched.obtained), error: null }
    : { token, credential, obtained: null, error: tokenFailure(fetched.cause) }
}

/** The report for a file that cannot be read. */
export function unreadableReport(file: string, fault: string): CheckReport {
  return {
    file,
    valid: false,
    problems: [unreadableProblem(fault)],
    warnings: [],
    plan: null,
    unchecked: [],
  }
}
