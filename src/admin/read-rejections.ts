import type { RouteFigures } from '../observe/route-history.ts'
import type { Rejection } from '../tokens/rejection-record.ts'
import { readTokenClaims, scopesOf } from '../tokens/token-claims.ts'
import { rejectionAdvice } from './rejection-advice.ts'
import type { RejectionStatus, RouteStatus } from './status.ts'

/** As in the alert TokenSidecarUpstreamRefusesTokens: a smaller share of rejections is normal. */
const MAX_REJECTED_SHARE = 0.05

function rejectionStatus(rejection: Rejection): RejectionStatus {
  const { status, challenge, token, count, firstAtMs, lastAtMs } = rejection
  const known = {
    status,
    challenge,
    hasToken: token !== undefined,
    freshTokenRejected: rejection.isFreshTokenRejected,
    everyRequestRejected: rejection.isEveryRequestRejected,
  }
  const claims = token && readTokenClaims(token)
  return {
    ...known,
    count,
    firstAt: new Date(firstAtMs).toISOString(),
    lastAt: new Date(lastAtMs).toISOString(),
    token: token && {
      format: claims === undefined ? 'opaque' : 'JWT',
      issuer: claims?.issuer,
      audience: claims?.audience ?? [],
      scopes: claims?.scopes[0] === undefined ? scopesOf(token.scope) : claims.scopes,
      expiresAt:
        claims?.expiresAt ?? new Date(token.obtainedAt.wallMs + token.lifetimeMs).toISOString(),
    },
    advice: rejectionAdvice(known),
  }
}

export type RouteRejections = {
  readonly route: string
  readonly rejection: Rejection | undefined
  readonly lastMinute: Pick<RouteFigures, 'requests' | 'unauthorized' | 'forbidden'>
}

/** The part of `/status` about rejections. */
export function rejectionsOfRoute<T extends RouteRejections>(
  observed: T,
): Pick<T, 'lastMinute'> & Pick<RouteStatus, 'warning' | 'rejection'> {
  const { lastMinute, rejection } = observed
  return {
    lastMinute,
    warning: rejectionWarning(observed),
    rejection: rejection && rejectionStatus(rejection),
  }
}

/** Why a route needs attention although the sidecar is ready; undefined if it does not. */
export function rejectionWarning({
  route,
  rejection,
  lastMinute,
}: RouteRejections): string | undefined {
  if (rejection?.isEveryRequestRejected === true) {
    const { status, count, token, isFreshTokenRejected } = rejection
    const what = token === undefined ? 'request' : 'token'
    const fresh = isFreshTokenRejected ? ', a freshly issued one included' : ''
    return `route "${route}": the API rejects every ${what}${fresh}: ${count} rejected, the last with ${status}`
  }
  const { requests, unauthorized, forbidden } = lastMinute
  if (unauthorized + forbidden <= requests * MAX_REJECTED_SHARE) return undefined
  return `route "${route}": the API rejected requests in the last minute: ${unauthorized} with 401, ${forbidden} with 403, of ${requests}`
}
