import type { Config } from '../config/schema.ts'
import { isLocalName } from '../lib/loopback.ts'

/** The hosts that routes name, as they are written there. */
export function namedHosts({ routes }: Pick<Config, 'routes'>): string[] {
  return [...new Set(routes.flatMap(({ match }) => match.host ?? []))]
}

/** Those of this machine, without their ports. Programs must not be told to call them directly. */
export function namedLoopbackHosts(config: Pick<Config, 'routes'>): string[] {
  return namedHosts(config)
    .map((host) => host.replace(/:\d+$/, '').replace(/^\[|\]$/g, ''))
    .filter(isLocalName)
}
