import type { Config } from '../../config/schema.ts'
import { namedHosts } from '../named-hosts.ts'
import type { ConfigurationFacts } from './facts.ts'

export function configurationFacts(config: Config): ConfigurationFacts {
  const { listen, admin, intercept } = config
  const listeners = listen.flatMap((listener) =>
    listener.address.kind === 'tcp' ? [{ ...listener, address: listener.address }] : [],
  )
  return {
    hosts: namedHosts(config),
    proxyPorts: listeners.map(({ address }) => address.port),
    adminPort: admin.kind === 'tcp' ? admin.port : undefined,
    transparent: [],
    intercepts: intercept !== undefined,
  }
}
