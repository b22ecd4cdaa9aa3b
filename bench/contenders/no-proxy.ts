import type { Contender } from './contender.ts'

/** The baseline: load sent directly to the upstream, with the header that a proxy would add. */
export const noProxy: Contender = {
  name: 'no-proxy',
  about: 'the load straight at the upstream, bringing the header itself',
  find: async () => ({ isFound: true, version: '' }),
  cannot({ upstreamTls, accessLog, routes, http2 }) {
    if (upstreamTls) return 'the load is sent without TLS'
    if (http2 === 'upstream') return 'the load is sent over HTTP/1.1'
    if (accessLog) return 'there is nothing that could log'
    if (routes > 1) return 'there is nothing that could route'
    return undefined
  },
  start: async ({ upstream, token }) => ({
    origin: upstream.origin,
    authorization: `Bearer ${token}`,
    pids: [],
    stop: async () => {},
  }),
}
