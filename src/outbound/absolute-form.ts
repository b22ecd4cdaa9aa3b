import { proxyFailure } from '../http/upstream-failure.ts'
import type { UpstreamRequest } from '../http/round-trip.ts'
import { rejection } from './connect-request.ts'
import type { ConnectionPool } from './connection-pool.ts'
import type { EgressProxy } from './egress-proxy.ts'

/** Sends requests for an `http:` origin on connections to a proxy, in absolute-form (RFC 9112 section 3.2.2). */
export function inAbsoluteForm(
  pool: ConnectionPool,
  origin: string,
  proxy: EgressProxy,
): ConnectionPool {
  return {
    ...pool,
    async roundTrip(request, signal) {
      const response = await pool.roundTrip(forProxy(request, origin, proxy), signal)
      if (response.status !== 407) return response
      // An application that saw it would ask its user for a password of the sidecar.
      response.discard()
      proxy.onRejected()
      throw proxyFailure(origin, rejection(proxy, 407, response.fields))
    },
  }
}

function forProxy(
  request: UpstreamRequest,
  origin: string,
  { authorization }: EgressProxy,
): UpstreamRequest {
  const { path, fields } = request
  const value = authorization()?.reveal()
  return {
    ...request,
    path: origin + path,
    fields: value === undefined ? fields : [...fields, 'Proxy-Authorization', value],
  }
}
