import type { Config } from '../../config/schema.ts'
import { namedHosts } from '../named-hosts.ts'
import type { ConfigurationFacts } from './facts.ts'

export function configurationFacts(config: Config): ConfigurationFacts {
  const { listen, admin, intercept } = config
  const listeners = listen.flatMap((listener) =>
    listener.address.kind === 'tcp' ? [{ ...listener, address: listener.address }] : [],
  )
  const transparent = listeners.filter(({ mode }) => mode === 'transparent')
  return {
    hosts: namedHosts(config),
    proxyPorts: listeners.filter(({ mode }) => mode === 'proxy').map(({ address }) => address.port),
    adminPort: admin.kind === 'tcp' ? admin.port : undefined,
    transparent: transparent.map(({ address }) => address),
    intercepts: intercept !== undefined,
  }
}
