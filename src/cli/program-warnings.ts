import type { Config } from '../config/schema.ts'
import { namedHosts } from './named-hosts.ts'
import { bypassedHosts } from './no-proxy.ts'
import { existingNoProxy, replacedProxies } from './program-variables.ts'

/** What in the environment of a command keeps its requests from the sidecar, or has no effect any more. */
export function programWarnings(
  config: Config,
  env: Readonly<Record<string, string | undefined>>,
): string[] {
  const bypassed = bypassedHosts(existingNoProxy(env), namedHosts(config)).map(
    ({ host, entry }) =>
      `NO_PROXY contains "${entry}": requests to ${host} bypass the sidecar and get no token`,
  )
  const replaced = replacedProxies(env)
  return replaced.length === 0
    ? bypassed
    : [
        ...bypassed,
        `${replaced.join(', ')}: replaced for the command; the sidecar uses such a proxy only if "proxy" of a route or of "forward" names it`,
      ]
}
