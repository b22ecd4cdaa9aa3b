import type { Logger } from '../observe/logger.ts'
import type { AccessToken } from './access-token.ts'
import { compareScopes } from './scopes.ts'

/** Logs the difference between requested and granted scopes of the tokens of one source, once for each change. */
export function createScopeLog(
  log: Logger,
): (token: Pick<AccessToken, 'requestedScopes' | 'scope'>) => void {
  let reported = ''
  return ({ requestedScopes = [], scope }) => {
    const { missing, unreported } = compareScopes(requestedScopes, scope)
    const found = unreported ? 'unreported' : missing.join(' ')
    if (found === reported) return
    reported = found
    // Scopes that are logged come from the configuration, not from the server.
    if (unreported) {
      log.warn({ requestedScopes }, 'granted scopes not reported by the authorization server')
    } else if (missing.length > 0) {
      log.warn({ missingScopes: missing }, 'fewer scopes granted than requested')
    } else {
      log.info({}, 'all requested scopes granted')
    }
  }
}
