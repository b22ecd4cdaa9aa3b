import httpProxyPackage from 'http-proxy/package.json' with { type: 'json' }
import type { Contender } from './contender.ts'
import { onlyForwards } from './only-forwards.ts'
import { startNodeProgram } from './start-node-program.ts'

/** The most widely used proxy library on npm. */
export const httpProxy: Contender = {
  name: 'http-proxy',
  about: 'the npm package, with a keep-alive agent and a static header',
  find: async () => ({ isFound: true, version: httpProxyPackage.version }),
  cannot: onlyForwards,
  start: async (setting) => await startNodeProgram('http-proxy-program.ts', setting),
}
