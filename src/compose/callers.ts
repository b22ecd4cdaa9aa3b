import type { Config } from '../config/schema.ts'
import type { CallerPolicy } from '../proxy/caller.ts'

export function composeCallers({
  listen,
  access,
}: Pick<Config, 'listen' | 'access'>): CallerPolicy {
  return {
    listenHost: listen.kind === 'tcp' ? listen.host.toLowerCase() : undefined,
    hosts: new Set(access.hosts.map((host) => host.toLowerCase())),
    origins: new Set(access.origins.map((origin) => origin.toLowerCase())),
  }
}
