import { join } from 'node:path'
import undiciPackage from 'undici/package.json' with { type: 'json' }
import { VERSION } from '../../src/version.ts'
import type { Contender } from './contender.ts'
import { startTokenSidecar } from './token-sidecar.ts'

/**
 * The sidecar with each of two HTTP clients for upstreams; measured only when selected by name. Both
 * run from source, because the bundle contains only one client.
 */
export const UPSTREAM_CLIENTS: readonly Contender[] = [
  fromSource('outbound', 'the HTTP client that is shipped', VERSION),
  fromSource('undici', 'undici as HTTP client', `undici ${undiciPackage.version}`),
]

function fromSource(client: string, about: string, version: string): Contender {
  return {
    name: `client-${client}`,
    about: `token-sidecar from source, with ${about}`,
    find: async () => ({ isFound: true, version }),
    start: async (setting) => {
      const program = join(import.meta.dirname, 'upstream-client-program.ts')
      return await startTokenSidecar(setting, {}, [program], { UPSTREAM_CLIENT: client })
    },
  }
}
