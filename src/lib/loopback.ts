/** Whether a host, in the notation of `URL.hostname` or of a listen address, is a loopback address. */
export function isLoopbackHost(host: string): boolean {
  const name = normalize(host)
  return name === 'localhost' || name === '::1' || /^127\.\d{1,3}\.\d{1,3}\.\d{1,3}$/.test(name)
}

/**
 * Whether a host name in a request can only belong to this machine. That includes `*.localhost` (RFC 6761
 * section 6.3). It is not a loopback address to connect to, because the system may resolve it through DNS.
 */
export function isLocalName(host: string): boolean {
  return isLoopbackHost(host) || normalize(host).endsWith('.localhost')
}

function normalize(host: string): string {
  return host.toLowerCase().replace(/^\[|\]$/g, '')
}
