/** A host, or a suffix of hosts, that is reached without a proxy. */
type Exception = {
  readonly host: string
  /** Undefined for all ports. */
  readonly port: number | undefined
  /** Whether only subdomains are meant. */
  readonly isWildcard: boolean
}

/**
 * Whether `NO_PROXY` exempts a URL from the proxy, as in curl and undici: hosts with all their subdomains, optionally
 * with a port; `*.example.com` for the subdomains alone; `*` for everything. No address ranges.
 */
export function createNoProxyMatcher(noProxy: string): (url: URL) => boolean {
  const exceptions = noProxy
    .split(/[\s,]+/)
    .filter(Boolean)
    .map(parseException)
  return ({ protocol, hostname, port }) => {
    const host = withoutDot(hostname.replace(/^\[|\]$/g, ''))
    const effectivePort = Number(port) || (protocol === 'https:' ? 443 : 80)
    return exceptions.some(
      (exception) =>
        (exception.port === undefined || exception.port === effectivePort) &&
        (exception.host === '*' ||
          (!exception.isWildcard && exception.host === host) ||
          host.endsWith(`.${exception.host}`)),
    )
  }
}

function parseException(text: string): Exception {
  // A bare IPv6 address has several colons, and one with a port has brackets.
  const {
    ipv6,
    host = ipv6 ?? text,
    port,
  } = /^(?:\[(?<ipv6>[^\]]*)\]|(?<host>[^:]*))(?::(?<port>\d+))?$/.exec(text)?.groups ?? {}
  return {
    host: withoutDot(host.replace(/^\*?\./, '').toLowerCase()),
    port: port === undefined ? undefined : Number(port),
    isWildcard: text.startsWith('*'),
  }
}

function withoutDot(host: string): string {
  return host.replace(/(?<=.)\.$/, '')
}
