import type { Config } from '../config/schema.ts'
import type { CallerPolicy } from '../routing/origin-check.ts'

export function composeCallers({
  listen,
  access,
}: Pick<Config, 'listen' | 'access'>): CallerPolicy {
  return {
    listenHost: hostOf(listen),
    hosts: new Set(access.hosts.map((host) => host.toLowerCase())),
    origins: new Set(access.origins.map((origin) => origin.toLowerCase())),
  }
}

/** The same for the admin listener, whose address a reload does not change. No other page may ask there. */
export function adminCallers(
  { admin }: Pick<Config, 'admin'>,
  access: Config['access'],
): CallerPolicy {
  return { ...composeCallers({ listen: admin, access }), origins: new Set() }
}

function hostOf(address: Config['listen']): string | undefined {
  return address.kind === 'tcp' ? address.host.toLowerCase() : undefined
}
