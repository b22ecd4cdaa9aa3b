/** Whether a host, as `URL.hostname` or a listen address spells it, can only be this machine. */
export function isLoopbackHost(host: string): boolean {
  const name = normalize(host)
  return name === 'localhost' || name === '::1' || /^127\.\d{1,3}\.\d{1,3}\.\d{1,3}$/.test(name)
}

/**
 * Whether a name in a request can only belong to this machine. That includes `*.localhost` (RFC 6761
 * section 6.3): no site can own such a name, but an operating system may resolve it through DNS, so it is
 * no loopback address to connect to.
 */
export function isLocalName(host: string): boolean {
  return isLoopbackHost(host) || normalize(host).endsWith('.localhost')
}

function normalize(host: string): string {
  return host.toLowerCase().replace(/^\[|\]$/g, '')
}
