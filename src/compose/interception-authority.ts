import { join } from 'node:path'
import type { AuthorityLog, CertificateAuthority } from '../certificates/certificate-authority.ts'
import type { AuthoritySource } from '../certificates/authority-state.ts'
import type { Config } from '../config/schema.ts'
import type { ConfigEnvironment } from '../config/secret-reader.ts'
import type { Clock } from '../lib/clock.ts'

export type InterceptionAuthorityOptions = {
  readonly config: Config
  readonly places: ConfigEnvironment
  readonly clock: Clock
  readonly logger: AuthorityLog
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
  return await openCertificateAuthority({
    ...authoritySource(config, config.intercept.ca, places),
    bundle: { ...bundlePaths(config.intercept, places.resolvePath), env: places.env },
    clock,
    logger,
  })
}

export function authoritySource(
  config: Pick<Config, 'routes'>,
  ca: Intercept['ca'],
  { resolvePath = (path) => path, readFile }: ConfigEnvironment,
): AuthoritySource {
  return {
    ca: ca.kind === 'supplied' ? ca : { ...ca, directory: resolvePath(ca.directory) },
    hosts: namedHosts(config),
    readFile,
  }
}

export type BundlePaths = {
  readonly pem: string | undefined
  readonly pkcs12: string | undefined
  readonly password: string
  readonly wgetrc: string | undefined
}

/** By default, the bundles are in the directory of a generated CA. */
export function bundlePaths(
  { ca, bundle }: Intercept,
  resolvePath = (path: string): string => path,
): BundlePaths {
  const directory = ca.kind === 'generated' ? ca.directory : undefined
  const { pem, pkcs12, password } = bundle
  const pathOf = (given: string | undefined, name: string): string | undefined => {
    const path = given ?? (directory && join(directory, name))
    return path && resolvePath(path)
  }
  return {
    pem: pathOf(pem, 'ca-bundle.pem'),
    pkcs12: pathOf(pkcs12, 'truststore.p12'),
    password,
    // Not in the directory of a CA whose bundle is elsewhere, because several processes may share the directory.
    wgetrc: pem === undefined ? pathOf(undefined, 'wgetrc') : undefined,
  }
}

type Intercept = NonNullable<Config['intercept']>

/**
 * The hosts that the routes name, as a certificate authority is limited to them: without ports, and with the
 * common suffix in place of `*.suffix`.
 */
export function namedHosts({ routes }: Pick<Config, 'routes'>): string[] {
  const hosts = routes.flatMap(({ match: { host } }) => (host === undefined ? [] : [host]))
  return [...new Set(hosts.map(constrainedHost))].toSorted()
}

/** `10.0.0.1` for `[10.0.0.1]:8443`, `example.com` for `*.example.com`. */
export function constrainedHost(host: string): string {
  const name = host.replace(/^\*\./, '')
  // URL parsing normalises addresses and removes the port.
  const hostname = URL.parse(`https://${name}`)?.hostname ?? name
  return hostname.replace(/^\[|\]$/g, '').replace(/\.$/, '')
}
