import type { ProxyConfig } from '../config/proxy-schema.ts'
import { createSecretReader, type ConfigEnvironment } from '../config/secret-reader.ts'
import type { Clock } from '../lib/clock.ts'
import type { References } from '../lib/reference-counted-pool.ts'
import { createSecret } from '../lib/secret.ts'
import { createTlsReader } from '../lib/tls-material.ts'
import {
  type EgressProxy,
  type EgressProxyOptions,
  type WatchedEgressProxy,
  watchEgressProxy,
} from '../outbound/egress-proxy.ts'

export function egressProxyOptions(
  { url, username, password, tls }: ProxyConfig,
  environment: ConfigEnvironment,
): EgressProxyOptions {
  return {
    url,
    readTls: createTlsReader({ ca: tls.ca, minVersion: 'TLSv1.2' }, environment.readFile),
    credentials:
      username === undefined || password === undefined
        ? undefined
        : {
            readUsername:
              typeof username === 'string'
                ? async () => await Promise.resolve(createSecret(username))
                : createSecretReader(username, environment),
            readPassword: createSecretReader(password, environment),
          },
  }
}

export type AcquireProxy = (proxy: ProxyConfig | undefined) => Promise<EgressProxy | undefined>

/** Routes with the same proxy share one reader of its files. */
export function createProxyAcquirer(
  proxies: References<WatchedEgressProxy>,
  environment: ConfigEnvironment,
  clock: Clock,
): AcquireProxy {
  return async (proxy) =>
    proxy &&
    (await proxies.acquire(
      JSON.stringify(proxy),
      async () => await watchEgressProxy(egressProxyOptions(proxy, environment), clock),
    ))
}
