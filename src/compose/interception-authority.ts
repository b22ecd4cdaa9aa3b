import type { CertificateAuthority } from '../certificates/certificate-authority.ts'
import type { Config } from '../config/schema.ts'
import type { ConfigEnvironment } from '../config/secret-reader.ts'
import type { Clock } from '../lib/clock.ts'
import type { Logger } from '../observe/logger.ts'

export type InterceptionAuthorityOptions = {
  readonly config: Config
  readonly places: ConfigEnvironment
  readonly clock: Clock
  readonly logger: Logger
}

/** The certificate authority for intercepted connections; undefined without `intercept`. */
export async function openInterceptionAuthority({
  config,
  places,
  clock,
  logger,
}: InterceptionAuthorityOptions): Promise<CertificateAuthority | undefined> {
  if (config.intercept === undefined) return undefined
  // Loaded here, because the ASN.1 library costs time and memory when it is loaded.
  const { openCertificateAuthority } = await import('../certificates/certificate-authority.ts')
  const { resolvePath = (path: string) => path, readFile } = places
  const { ca } = config.intercept
  return await openCertificateAuthority({
    source: ca.kind === 'supplied' ? ca : { ...ca, directory: resolvePath(ca.directory) },
    hosts: namedHosts(config),
    readFile,
    clock,
    logger,
  })
}

/**
 * The hosts that the routes name, as a certificate authority is limited to them: without ports, and with the
 * common suffix in place of `*.suffix`.
 */
function namedHosts({ routes }: Pick<Config, 'routes'>): string[] {
  const hosts = routes.flatMap(({ match: { host } }) => (host === undefined ? [] : [host]))
  return [...new Set(hosts.map(constrainedHost))].toSorted()
}

function constrainedHost(host: string): string {
  const name = host.replace(/^\*\./, '')
  // URL parsing normalises addresses and removes the port.
  const hostname = URL.parse(`https://${name}`)?.hostname ?? name
  return hostname.replace(/^\[|\]$/g, '').replace(/\.$/, '')
}
