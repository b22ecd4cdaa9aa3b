import type { Contender } from './contender.ts'

/** The baseline: load sent directly to the upstream, with the header that a proxy would add. */
export const noProxy: Contender = {
  name: 'no-proxy',
  about: 'the load sent directly to the upstream, with the header',
  find: async () => ({ isFound: true, version: '' }),
  cannot({ upstreamTls, accessLog, routes, http2 }) {
    if (upstreamTls) return 'the load is sent without TLS'
    if (http2 === 'upstream') return 'the load is sent over HTTP/1.1'
    if (accessLog) return 'it has no access log'
    if (routes > 1) return 'it has no routes'
    return undefined
  },
  start: async ({ upstream, token }) => ({
    origin: upstream.origin,
    authorization: `Bearer ${token}`,
    pids: [],
    stop: async () => {},
  }),
}
