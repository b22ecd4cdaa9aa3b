import type { Config } from '../config/schema.ts'

const FREE_PORT = { kind: 'tcp', host: '127.0.0.1', port: 0 } as const

/** The configuration of a sidecar for one command: on free ports, which only this machine can reach. */
export function execConfig(config: Config, { isQuiet }: { readonly isQuiet: boolean }): Config {
  return {
    ...config,
    listen: [{ name: 'default', address: FREE_PORT }],
    admin: FREE_PORT,
    // No load balancer sends requests, and the command is the only reason to end.
    shutdown: { ...config.shutdown, delay: 0, quit: false },
    // Access log lines would be mixed with what the command writes to standard error.
    log: { ...config.log, level: isQuiet ? quietLevel(config.log.level) : config.log.level },
  }
}

function quietLevel(level: Config['log']['level']): Config['log']['level'] {
  return level === 'error' ? 'error' : 'warn'
}
