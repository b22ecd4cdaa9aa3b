import { BlockList, isIP } from 'node:net'

/** An entry of `NO_PROXY`, and a host that it makes at least some runtimes call directly. */
export type BypassedHost = { readonly host: string; readonly entry: string }

/**
 * The hosts that `NO_PROXY` excludes from the proxy. Runtimes differ: an entry is taken to match subdomains whether
 * or not it begins with a dot, as most of them do. `hosts` are written as in `match.host` of a route.
 */
export function bypassedHosts(noProxy: string, hosts: readonly string[]): BypassedHost[] {
  const entries = noProxyEntries(noProxy)
  return hosts.flatMap((host) => {
    const entry = entries.find((candidate) => matches(candidate, host))
    return entry === undefined ? [] : [{ host, entry }]
  })
}

export function noProxyEntries(noProxy: string): string[] {
  return noProxy.split(/[\s,]+/).filter((entry) => entry !== '')
}

function matches(entry: string, host: string): boolean {
  if (entry === '*') return true
  const wanted = splitPort(entry.toLowerCase())
  const { name: hostName, port } = splitPort(host.toLowerCase())
  if (wanted.port !== undefined && port !== undefined && wanted.port !== port) return false
  if (isIP(hostName) !== 0) return matchesAddress(wanted.name, hostName)
  const name = wanted.name.replace(/^\*?\./, '')
  if (name === '') return false
  if (!hostName.startsWith('*.')) return isWithin(hostName, name)
  // Some of the hosts that "*.example.com" matches.
  const suffix = hostName.slice(2)
  return isWithin(suffix, name) || isWithin(name, suffix)
}

function isWithin(host: string, domain: string): boolean {
  return host === domain || host.endsWith(`.${domain}`)
}

/** The entry is an address or a range of them, such as `10.0.0.0/8`. */
function matchesAddress(entry: string, address: string): boolean {
  const [network = '', bits] = entry.split('/')
  const family = isIP(network) === 6 ? 'ipv6' : 'ipv4'
  if (isIP(network) === 0 || isIP(network) !== isIP(address)) return false
  const list = new BlockList()
  const width = family === 'ipv6' ? 128 : 32
  const prefix = bits === undefined ? width : Number(bits)
  if (!Number.isInteger(prefix) || prefix < 0 || prefix > width) return false
  list.addSubnet(network, prefix, family)
  return list.check(address, family)
}

function splitPort(text: string): { readonly name: string; readonly port: string | undefined } {
  const { ipv6, name = ipv6, port } = AUTHORITY.exec(text)?.groups ?? {}
  return { name: name ?? text, port }
}

/** A host without brackets that has several colons is an IPv6 address. */
const AUTHORITY = /^(?:\[(?<ipv6>[\da-f:.]+)\]|(?<name>[^:[\]]+))(?::(?<port>\d+))?$/i

/** The same entries for `http.nonProxyHosts` of the JVM, which takes patterns separated by "|". */
export function nonProxyHosts(noProxy: string): string {
  const patterns = noProxyEntries(noProxy).flatMap((entry) => {
    if (entry === '*') return ['*']
    const { name } = splitPort(entry)
    if (name.includes('/')) return addressPatterns(name)
    if (isIP(name) !== 0) return [name.includes(':') ? `[${name}]` : name]
    const domain = name.replace(/^\*?\./, '')
    return domain === name ? [domain, `*.${domain}`] : [`*.${domain}`]
  })
  return [...new Set(patterns)].join('|')
}

/** The JVM knows no ranges, but a prefix of whole octets is a pattern: `10.*`. */
function addressPatterns(range: string): string[] {
  const [network = '', bits] = range.split('/')
  const octets = Number(bits) / 8
  if (isIP(network) !== 4 || !Number.isInteger(octets) || octets < 1 || octets > 4) return []
  return octets === 4 ? [network] : [`${network.split('.').slice(0, octets).join('.')}.*`]
}
