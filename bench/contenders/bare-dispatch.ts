import undiciPackage from 'undici/package.json' with { type: 'json' }
import type { Contender } from './contender.ts'
import { onlyForwards } from './only-forwards.ts'
import { startNodeProgram } from './start-node-program.ts'

/** The lower bound for the cost of the design: node:http and undici with minimal code between them. */
export const bareDispatch: Contender = {
  name: 'bare-dispatch',
  about: 'only node:http and undici dispatch, with a static header',
  find: async () => ({ isFound: true, version: `undici ${undiciPackage.version}` }),
  cannot: onlyForwards,
  start: async (setting) => await startNodeProgram('bare-dispatch-program.ts', setting),
}
