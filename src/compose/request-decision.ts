import type { ListenerConfig } from '../config/listen-schema.ts'
import type { Config } from '../config/schema.ts'
import { SidecarError } from '../errors.ts'
import { bypassesInjection, requestFields } from '../exchange/request-fields.ts'
import { refuseUnsupported } from '../exchange/request-rules.ts'
import { readRequestHead, type RequestLine } from '../http/request-head.ts'
import type { ConnectionOrigin } from '../http/inbound-request.ts'
import { checkTunnel, interceptedOrigin } from '../inbound/connect.ts'
import { PASSED } from '../observe/metrics.ts'
import { hostsOfRoutesOnly } from '../routing/hosts-of-routes-only.ts'
import { createOriginCheck, isOwnAddress, readTarget } from '../routing/origin-check.ts'
import type { RequestTarget } from '../routing/request-target.ts'
import { createRouteTable, upstreamPath } from '../routing/route-table.ts'
import { composeOriginPolicy } from './origin-policy.ts'
import {
  planPassThrough,
  planRoutes,
  type PlannedToken,
  type RoutePlan,
  routesOf,
  viaName,
} from './route-plan.ts'

/** What the proxy would do with a request, from its head alone. */
export type RequestDecision =
  | {
      readonly outcome: 'routed' | 'passed'
      readonly plan: RoutePlan
      /** The URL of the request to the upstream. */
      readonly upstream: string
      /** Undefined where no token is injected. */
      readonly token: PlannedToken | undefined
    }
  | {
      readonly outcome: 'refused'
      readonly error: SidecarError
      /** The target of a request that no route matches. */
      readonly unmatched: RequestTarget | undefined
    }

export type RequestDecisions = {
  readonly plans: readonly RoutePlan[]
  /** `origin` is that of a connection that the client has opened to another origin than the sidecar. */
  readonly decide: (
    line: RequestLine,
    fields: readonly string[],
    origin?: ConnectionOrigin,
  ) => RequestDecision
  /** Fails as a `CONNECT` with this target would. */
  readonly checkTunnel: (target: string) => void
  /** Whether a tunnel to this host, with its port unless that is 443, is intercepted. */
  readonly isIntercepted: (host: string) => boolean
  /** Whether a URL with this authority is one of the sidecar itself. */
  readonly isOwn: (authority: string) => boolean
}

/** The decisions of the request path of a listener, with the same functions and in the same order as the handler. */
export function createRequestDecisions(
  config: Pick<Config, 'access' | 'credentials' | 'routes' | 'via' | 'forward' | 'intercept'>,
  { name, address, mode, tls }: ListenerConfig,
): RequestDecisions {
  const { forward } = config
  const plans = planRoutes({ ...config, routes: routesOf(name, config.routes) })
  const table = createRouteTable(
    plans,
    forward.mode === 'pass'
      ? ({ scheme, host }) => planPassThrough(`${scheme}://${host}`, config)
      : undefined,
  )
  const routes = mode === 'transparent' ? hostsOfRoutesOnly(table) : table
  const originPolicy = composeOriginPolicy(address, config.access)
  const checkOrigin = createOriginCheck(originPolicy, routes.namesHost)
  const localPort = address.kind === 'tcp' ? address.port : undefined
  const encrypted = tls !== undefined

  return {
    plans,
    isOwn: (authority) =>
      isOwnAddress(
        { host: authority.toLowerCase(), scheme: encrypted ? 'https' : 'http' },
        originPolicy,
        localPort,
      ),
    checkTunnel: (target) => checkTunnel(target, routes.namesHost, forward.mode === 'pass'),
    isIntercepted(host) {
      const target = /:\d+$/.test(host) ? host : `${host}:443`
      try {
        return (
          config.intercept !== undefined &&
          interceptedOrigin(target, routes.namesHost) !== undefined
        )
      } catch {
        // The tunnel is refused.
        return false
      }
    },
    decide(line, fields, origin) {
      const head = readRequestHead(line, fields)
      let unmatched: RequestTarget | undefined
      try {
        refuseUnsupported(head, viaName(config))
        const target = readTarget(head, { localPort, encrypted, origin }, originPolicy)
        checkOrigin(head, target)
        unmatched = target
        const plan = routes.match(target, head.method)
        unmatched = undefined
        requestFields(head, plan.fields, { socket: { encrypted }, host: target.host })
        return {
          outcome: plan.config.name === PASSED ? 'passed' : 'routed',
          plan,
          upstream: plan.origin + upstreamPath(plan, target.path) + target.query,
          token: bypassesInjection(head, plan.fields) ? undefined : plan.token,
        }
      } catch (error) {
        if (!(error instanceof SidecarError)) throw error
        return { outcome: 'refused', error, unmatched }
      }
    },
  }
}
