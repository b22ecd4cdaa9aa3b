import { isIPv6 } from 'node:net'
import { isLoopbackHost } from '../../lib/loopback.ts'
import type { ConfigurationFacts, DoctorFinding, NetworkFacts } from './facts.ts'

/** What keeps redirected connections from a transparent listener. */
export function networkFindings(
  { transparent, hosts }: ConfigurationFacts,
  { addresses, nftables }: NetworkFacts,
): DoctorFinding[] {
  if (transparent.length === 0) return []
  return [
    ...transparent.flatMap(({ host, port }) => listenerFindings(host, port)),
    ...(nftables === undefined ? [] : ruleFindings(nftables)),
    ...hosts.flatMap((host) => {
      const answer = addresses.get(host)
      return answer === undefined ? [] : addressFindings(host, answer)
    }),
  ]
}

function listenerFindings(host: string, port: number): DoctorFinding[] {
  return host.includes(':')
    ? []
    : [
        {
          code: 'ipv6_bypass',
          host: null,
          runtime: null,
          message: `the transparent listener ${host}:${port} accepts IPv4 only: IPv6 connections are refused, or bypass it`,
          fix: `Set "address" of the listener to "[::]:${port}", which accepts both.`,
        },
      ]
}

/** `nft list ruleset`: a table of the family "ip" does not apply to IPv6. */
function ruleFindings(nftables: string): DoctorFinding[] {
  const families = new Set<string>()
  let family = ''
  for (const line of nftables.split('\n')) {
    family = /^table (?<family>\w+) /.exec(line)?.groups?.['family'] ?? family
    if (/\bredirect\b/.test(line)) families.add(family)
  }
  if (families.size === 0 || families.has('inet') || families.has('ip6')) return []
  return [
    {
      code: 'ipv6_bypass',
      host: null,
      runtime: null,
      message:
        'the redirect rules of nftables are for IPv4 only: IPv6 connections bypass the sidecar',
      fix: 'Put the rules into a table of the family "inet".',
    },
  ]
}

function addressFindings(
  host: string,
  answer: { readonly addresses: readonly string[] } | { readonly fault: string },
): DoctorFinding[] {
  if ('fault' in answer) {
    return [
      {
        code: 'dns',
        host,
        runtime: null,
        message: `${host} cannot be resolved here (${answer.fault}): the application opens no connection that could be redirected`,
        fix: 'Use a resolver that knows the name, or the proxy variables ("token-sidecar exec --env"), with which only the sidecar resolves it.',
      },
    ]
  }
  const local = answer.addresses.find((address) =>
    isLoopbackHost(isIPv6(address) ? `[${address}]` : address),
  )
  return local === undefined
    ? []
    : [
        {
          code: 'dns',
          host,
          runtime: null,
          message: `${host} is resolved to ${local}: connections to loopback addresses are not redirected`,
          fix: 'Remove the entry from /etc/hosts or the resolver: the name has to have its public addresses.',
        },
      ]
}
