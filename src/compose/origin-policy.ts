import type { ListenAddress } from '../config/listen-address.ts'
import type { Config } from '../config/schema.ts'
import type { OriginPolicy } from '../routing/origin-check.ts'

/** For a listener on this address. */
export function composeOriginPolicy(
  address: ListenAddress,
  { hosts, origins }: Config['access'],
): OriginPolicy {
  return {
    listenHost: address.kind === 'tcp' ? address.host.toLowerCase() : undefined,
    hosts: new Set(hosts.map((host) => host.toLowerCase())),
    origins: new Set(origins.map((origin) => origin.toLowerCase())),
  }
}

/** For the admin listener, which allows no other origin, and keeps its address on a reload. */
export function adminOriginPolicy(
  { admin }: Pick<Config, 'admin'>,
  access: Config['access'],
): OriginPolicy {
  return { ...composeOriginPolicy(admin, access), origins: new Set() }
}
