import type { Address } from '../lib/listen.ts'
import { isLocalName, isLoopbackHost } from '../lib/loopback.ts'

/**
 * Whether a `Host` header can name a listener at `address`. After DNS rebinding a web page in a
 * browser on this machine reaches a loopback address under a name of its own, and could read names
 * and addresses of what is behind. What is bound elsewhere is called by names that nobody can know.
 */
export function isOwnHost(
  host: string,
  address: Pick<Address, 'kind'> & { readonly host?: string },
  further: readonly string[],
): boolean {
  if (address.host === undefined || !isLoopbackHost(address.host)) return true
  const name = host.toLowerCase().replace(/:\d+$/, '').replace(/\.$/, '')
  return isLocalName(name) || further.some((other) => other.toLowerCase() === name)
}
