import type { Config } from '../config/schema.ts'
import type { OriginPolicy } from '../routing/origin-check.ts'

export function composeOriginPolicy({
  listen,
  access,
}: Pick<Config, 'listen' | 'access'>): OriginPolicy {
  return {
    listenHost: hostOf(listen),
    hosts: new Set(access.hosts.map((host) => host.toLowerCase())),
    origins: new Set(access.origins.map((origin) => origin.toLowerCase())),
  }
}

/** For the admin listener, which allows no other origin, and keeps its address on a reload. */
export function adminOriginPolicy(
  { admin }: Pick<Config, 'admin'>,
  access: Config['access'],
): OriginPolicy {
  return { ...composeOriginPolicy({ listen: admin, access }), origins: new Set() }
}

function hostOf(address: Config['listen']): string | undefined {
  return address.kind === 'tcp' ? address.host.toLowerCase() : undefined
}
