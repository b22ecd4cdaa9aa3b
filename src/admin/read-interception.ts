import type { InterceptionRecord } from '../observe/interception-record.ts'
import type { InterceptedHostStatus } from './status.ts'

type InterceptedHost = ReturnType<InterceptionRecord['list']>[number]

/** An older failure is no warning, because the application may have been corrected since. */
const RECENT_MS = 10 * 60_000

/** The part of `/status` about intercepted connections. `named` are the hosts of the current routes. */
export function interceptionStatus(
  hosts: readonly InterceptedHost[],
  named: ReadonlySet<string | undefined>,
  nowWallMs: number,
): InterceptedHostStatus[] {
  return hosts
    .filter(({ host }) => named.has(host))
    .map((intercepted) => {
      const { host, handshakes, lastFailure, lastSuccessAtMs } = intercepted
      return {
        host,
        handshakes: Object.fromEntries(handshakes),
        warning: interceptionWarning(intercepted, nowWallMs),
        lastSuccessAt:
          lastSuccessAtMs === undefined ? undefined : new Date(lastSuccessAtMs).toISOString(),
        lastFailure: lastFailure && {
          outcome: lastFailure.outcome,
          reason: lastFailure.reason,
          advice: lastFailure.advice,
          at: new Date(lastFailure.atMs).toISOString(),
        },
      }
    })
}

/** A host whose latest handshake has failed, because an application that rejects the certificate never succeeds. */
function interceptionWarning(
  { host, lastFailure, lastSuccessAtMs = 0 }: InterceptedHost,
  nowWallMs: number,
): string | undefined {
  if (lastFailure === undefined || lastFailure.atMs < lastSuccessAtMs) return undefined
  if (nowWallMs - lastFailure.atMs > RECENT_MS) return undefined
  return `host "${host}": the last TLS handshake with an application failed: ${lastFailure.reason}`
}
