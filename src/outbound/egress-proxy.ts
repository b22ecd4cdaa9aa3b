import { SidecarError } from '../errors.ts'
import type { Clock } from '../lib/clock.ts'
import { fingerprint } from '../lib/fingerprint.ts'
import { createSecret, type Secret, type SecretReader } from '../lib/secret.ts'
import type { TlsMaterial, TlsReader } from '../lib/tls-material.ts'

/** A proxy through which upstreams are reached. */
export type EgressProxy = {
  /** Host and port, for messages. */
  readonly name: string
  /** Without the brackets of an IPv6 address. */
  readonly hostname: string
  readonly port: number
  /** Undefined for an `http:` proxy. */
  readonly tls: () => TlsMaterial | undefined
  /** The value of `Proxy-Authorization`; undefined where the proxy needs none. */
  readonly authorization: () => Secret | undefined
  /** To be called when the proxy rejects the credentials: they may have been rotated. */
  readonly onRejected: () => void
}

export type EgressProxyOptions = {
  readonly url: string
  readonly readTls: TlsReader
  readonly credentials:
    | { readonly readUsername: SecretReader; readonly readPassword: SecretReader }
    | undefined
}

/** An `EgressProxy` whose files are watched. */
export type WatchedEgressProxy = EgressProxy & { readonly close: () => void }

/** How often the files are read again. */
const INTERVAL_MS = 10_000

type Material = {
  readonly tls: TlsMaterial | undefined
  readonly authorization: Secret | undefined
}

/** Reads the files now, and again when they change. Fails if they cannot be read. */
export async function watchEgressProxy(
  options: EgressProxyOptions,
  clock: Clock,
): Promise<WatchedEgressProxy> {
  let material = await readMaterial(options)
  let reading: Promise<void> | undefined
  let isClosed = false
  let cancelTimer: (() => void) | undefined

  const schedule = (): void => {
    const hasFiles = options.credentials !== undefined || material.tls?.ca !== undefined
    if (hasFiles && !isClosed) cancelTimer = clock.schedule(INTERVAL_MS, refresh)
  }
  const refresh = (): void => {
    cancelTimer?.()
    // A file that cannot be read is tried again at the next interval.
    reading ??= readMaterial(options)
      .then((found) => {
        // The same object as long as nothing changes, so that TLS sessions are resumed.
        if (fingerprintOf(found) !== fingerprintOf(material)) material = found
      })
      .catch(() => {})
      .finally(() => {
        reading = undefined
        schedule()
      })
  }
  schedule()
  return {
    ...endpointOf(options.url),
    tls: () => material.tls,
    authorization: () => material.authorization,
    onRejected: refresh,
    close() {
      isClosed = true
      cancelTimer?.()
    },
  }
}

/** Reads the files once. */
export async function readEgressProxy(options: EgressProxyOptions): Promise<EgressProxy> {
  const { tls, authorization } = await readMaterial(options)
  return {
    ...endpointOf(options.url),
    tls: () => tls,
    authorization: () => authorization,
    onRejected() {},
  }
}

function endpointOf(url: string): Pick<EgressProxy, 'name' | 'hostname' | 'port'> {
  const { hostname, port, protocol } = new URL(url)
  const effective = Number(port) || (protocol === 'https:' ? 443 : 80)
  return {
    name: `${hostname}:${effective}`,
    hostname: hostname.replace(/^\[|\]$/g, ''),
    port: effective,
  }
}

async function readMaterial({ url, readTls, credentials }: EgressProxyOptions): Promise<Material> {
  return {
    tls: /^https:/i.test(url) ? await readTls() : undefined,
    authorization:
      credentials === undefined
        ? undefined
        : basicCredentials(
            (await credentials.readUsername()).reveal(),
            (await credentials.readPassword()).reveal(),
          ),
  }
}

/** RFC 7617 section 2. */
function basicCredentials(username: string, password: string): Secret {
  if (username.includes(':')) {
    throw new SidecarError('upstream_proxy', 'Cannot use the proxy: its user name contains a colon')
  }
  return createSecret(`Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`)
}

function fingerprintOf({ tls, authorization }: Material): string {
  return fingerprint(tls?.ca, authorization?.reveal())
}
