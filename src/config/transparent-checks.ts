import { error, type Finding, warning } from './finding.ts'
import { valueAt } from './hints.ts'
import type { ListenerOutline } from './listener-checks.ts'

/** Settings that listeners with `mode: transparent` need, or that they cannot have. */
export function checkTransparentListeners(
  data: unknown,
  listeners: readonly ListenerOutline[],
): Finding[] {
  const transparent = listeners.filter(({ isTransparent }) => isTransparent)
  const isIntercepting = valueAt(data, ['intercept']) !== undefined
  return transparent.flatMap(({ at, address, addressAt, hasTls }) => {
    const findings: Finding[] = []
    if (address?.startsWith('unix:') === true) {
      findings.push(
        error(
          addressAt,
          'expected "host:port" with "mode: transparent", because connections are redirected to a port',
        ),
      )
    }
    if (hasTls) {
      findings.push(
        error(
          [...at, 'tls'],
          'expected no certificate with "mode: transparent"; "intercept" issues certificates for the hosts of routes',
        ),
      )
    }
    if (!isIntercepting) {
      findings.push(
        warning([...at, 'mode'], 'redirected https connections are rejected without "intercept"'),
      )
    }
    if (!namesAnyHost(valueAt(data, ['routes']))) {
      findings.push(
        warning(
          [...at, 'mode'],
          'all redirected connections are rejected, because no route names a host in "match.host"',
        ),
      )
    }
    return findings
  })
}

function namesAnyHost(routes: unknown): boolean {
  return (
    Array.isArray(routes) &&
    routes.some((route: unknown) => valueAt(route, ['match', 'host']) !== undefined)
  )
}
