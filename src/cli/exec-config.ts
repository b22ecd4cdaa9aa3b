import { join } from 'node:path'
import type { Config } from '../config/schema.ts'
import { namedHosts } from './named-hosts.ts'

const FREE_PORT = { kind: 'tcp', host: '127.0.0.1', port: 0 } as const

export type ExecConfigOptions = {
  /** For files that the command reads; only its owner can read it. */
  readonly directory: string
  readonly isQuiet: boolean
}

/** The configuration of a sidecar for one command: on free ports, which only this machine can reach. */
export function execConfig(config: Config, { directory, isQuiet }: ExecConfigOptions): Config {
  return {
    ...config,
    listen: [{ name: 'default', address: FREE_PORT, mode: 'proxy' }],
    admin: FREE_PORT,
    // The command is the only client, so routes of all listeners are for it.
    routes: config.routes.map((route) => ({ ...route, listeners: undefined })),
    intercept: execInterception(config, directory),
    // No load balancer sends requests, and the command is the only reason to end.
    shutdown: { ...config.shutdown, delay: 0, quit: false },
    // Access log lines would be mixed with what the command writes to standard error.
    log: { ...config.log, level: isQuiet ? quietLevel(config.log.level) : config.log.level },
  }
}

/**
 * By default a CA for this run. The bundles are written for this command, because they contain what its environment
 * trusts.
 */
function execInterception(config: Config, directory: string): Config['intercept'] {
  const { intercept } = config
  if (namedHosts(config).length === 0) return intercept
  return {
    ca: intercept?.ca ?? { kind: 'generated', directory },
    bundle: { password: intercept?.bundle.password ?? 'changeit', ...execBundle(directory) },
  }
}

/** The trust bundles of the command. */
export function execBundle(directory: string): { readonly pem: string; readonly pkcs12: string } {
  return { pem: join(directory, 'ca-bundle.pem'), pkcs12: join(directory, 'truststore.p12') }
}

function quietLevel(level: Config['log']['level']): Config['log']['level'] {
  return level === 'error' ? 'error' : 'warn'
}
