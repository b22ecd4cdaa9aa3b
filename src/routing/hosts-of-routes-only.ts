import { SidecarError } from '../errors.ts'
import type { RouteMatch, RouteTable } from './route-table.ts'

/**
 * For redirected connections, whose requests name their host themselves: they reach upstreams of routes only, also where
 * other requests pass without a route.
 */
export function hostsOfRoutesOnly<R extends { readonly match: RouteMatch }>(
  table: RouteTable<R>,
): RouteTable<R> {
  return {
    ...table,
    match(target, method) {
      const { host, scheme } = target
      if (host === '') throw denied('it has no Host header')
      if (!table.namesHost(host, scheme)) throw denied(`no route is for host "${host}"`)
      const route = table.match(target, method)
      // Of a request in absolute-form, only a route without a host passes what no route matches.
      if (route.match.host === undefined) {
        throw denied(`no route for host "${host}" matches this path and method`)
      }
      return route
    },
  }
}

function denied(why: string): SidecarError {
  return new SidecarError(
    'egress_denied',
    `Cannot forward the request: its connection was redirected, and ${why}`,
    { advice: 'If the application may call this host, add a route for it.' },
  )
}
