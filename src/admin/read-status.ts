import type { RecentFailure } from '../observe/recent-failures.ts'
import type { TokenState } from '../tokens/token-source.ts'
import { failureAdvice } from './failure-advice.ts'
import type { ConfigurationStatus, FailureStatus, TokenStatus } from './status.ts'

/** The configuration in use, and the problems of the file as it is now. */
export type ConfigurationState = {
  readonly version: string
  readonly loadedAtMs: number
  readonly problems: readonly string[]
}

export function configurationStatus({
  version,
  loadedAtMs,
  problems,
}: ConfigurationState): ConfigurationStatus {
  return { version, loadedAt: new Date(loadedAtMs).toISOString(), problems }
}

export type ObservedToken = Pick<
  TokenStatus,
  'token' | 'credential' | 'issuer' | 'tokenEndpoint' | 'clientId' | 'requested'
> & {
  readonly source: { readonly state: () => TokenState }
}

export function tokenStatus(observed: ObservedToken, nowWallMs: number): TokenStatus {
  const { token, credential, issuer, tokenEndpoint, clientId, requested, source } = observed
  const {
    scopes,
    claims,
    usable,
    requesting,
    waiting,
    obtainedAtMs,
    expiresAtMs,
    lifetimeMs,
    failure,
  } = source.state()
  return {
    token,
    credential,
    issuer,
    tokenEndpoint,
    clientId,
    requested,
    claims,
    usable,
    requesting,
    waiting,
    scopes: scopes && {
      requested: scopes.requested,
      granted: scopes.granted?.filter((scope) => PLAIN_SCOPE.test(scope)),
      missing: scopes.missing,
      unreported: scopes.unreported,
    },
    obtainedAt: isoTime(obtainedAtMs),
    ageSeconds: obtainedAtMs && Math.round((nowWallMs - obtainedAtMs) / 1000),
    expiresAt: isoTime(expiresAtMs),
    expiresInSeconds: expiresAtMs && Math.max(0, Math.round((expiresAtMs - nowWallMs) / 1000)),
    lifetimeSeconds: lifetimeMs && Math.round(lifetimeMs / 1000),
    failure: failure && {
      code: failure.error.code,
      oauthError: failure.error.oauthError,
      reason: failure.error.message,
      advice: failure.error.advice ?? failureAdvice(failure.error.code, failure.error.oauthError),
      nextAttemptAt: new Date(failure.nextAttemptAtMs).toISOString(),
    },
  }
}

export function failureStatus(failure: RecentFailure): FailureStatus {
  const { route, code, oauthError, advice, reason, count, firstAtMs, lastAtMs } = failure
  return {
    route,
    code,
    oauthError,
    reason,
    advice: advice ?? failureAdvice(code, oauthError, isRouteName(route)),
    count,
    firstAt: new Date(firstAtMs).toISOString(),
    lastAt: new Date(lastAtMs).toISOString(),
  }
}

/** RFC 6749 appendix A.4, with a length limit: any other text of a server is not shown. */
const PLAIN_SCOPE = /^[\x21\x23-\x5b\x5d-\x7e]{1,200}$/

function isoTime(ms: number | undefined): string | undefined {
  return ms === undefined ? undefined : new Date(ms).toISOString()
}

/** Names in parentheses, such as "(pass)", stand for requests without a route. */
function isRouteName(name: string | undefined): boolean {
  return name?.startsWith('(') !== true
}
