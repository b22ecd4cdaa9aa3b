import { SidecarError } from '../errors.ts'
import type { RouteTable } from './route-table.ts'

/**
 * For redirected connections, whose requests name their host themselves: only the hosts of routes are reached, also
 * where other requests may pass without a route.
 */
export function hostsOfRoutesOnly<R>(table: RouteTable<R>): RouteTable<R> {
  return {
    ...table,
    match(target, method) {
      const { host, scheme } = target
      if (host !== '' && table.namesHost(host, scheme)) return table.match(target, method)
      throw new SidecarError(
        'egress_denied',
        host === ''
          ? 'Cannot forward the request: it was redirected, and has no Host header'
          : `Cannot forward the request: it was redirected, and no route is for host "${host}"`,
        { advice: 'If the application may call this host, add a route for it.' },
      )
    },
  }
}
