import type { Contender } from './contender.ts'
import { startNodeProgram } from './start-node-program.ts'

/** The lower bound for the cost of the sidecar's design over HTTP/2. */
export const bareHttp2: Contender = {
  name: 'bare-http2',
  about: 'only node:http2 on both sides, with a static header',
  find: async () => ({ isFound: true, version: '' }),
  cannot({ http2, routes, accessLog }) {
    if (http2 !== 'both') return 'it supports only HTTP/2'
    return routes > 1 || accessLog ? 'it has no routes and no access log' : undefined
  },
  start: async (setting) => await startNodeProgram('bare-http2-program.ts', setting),
}
