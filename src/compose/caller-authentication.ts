import type { ListenerConfig } from '../config/listen-schema.ts'
import { createSecretReader, type ConfigEnvironment } from '../config/secret-reader.ts'
import {
  type AuthenticateCaller,
  createCallerAuthentication,
  type RejectedCaller,
} from '../exchange/caller-authentication.ts'
import { createUserTable } from '../exchange/user-table.ts'
import type { Clock } from '../lib/clock.ts'
import { createRateLimit } from '../lib/rate-limit.ts'
import type { Logger } from '../observe/logger.ts'
import type { Metrics } from '../observe/metrics.ts'

/** Counts and logs the requests of callers that are not served. */
export type Audit = {
  readonly addListener: (listener: string) => void
  readonly note: (listener: string, rejected: RejectedCaller) => void
}

export type CallerAuthentication = {
  readonly authenticate: AuthenticateCaller
  /** Stops reading the passwords again. */
  readonly close: () => void
}

/** Undefined for a listener that serves every caller. Fails if a password cannot be read. */
export async function composeCallerAuthentication(
  { name, auth }: Pick<ListenerConfig, 'name' | 'auth'>,
  parts: { readonly places: ConfigEnvironment; readonly clock: Clock; readonly audit: Audit },
): Promise<CallerAuthentication | undefined> {
  if (auth === undefined) return undefined
  const { places, clock, audit } = parts
  audit.addListener(name)
  const users = auth.basic?.map(({ username, password }) => ({
    username,
    readPassword: createSecretReader(password, places),
  }))
  const table = users && (await createUserTable(users, clock))
  return {
    authenticate: createCallerAuthentication({
      users: table,
      certificates: auth.clientCertificates,
      onRejected: (rejected) => audit.note(name, rejected),
    }),
    close: () => table?.close(),
  }
}

/** Counts rejected callers, and logs them: at most one line a minute for each listener, reason and user. */
export function createAudit(parts: {
  readonly logger: Logger
  readonly metrics: Pick<Metrics, 'rejectedCallers'>
  readonly clock: Clock
}): Audit {
  const { logger, metrics, clock } = parts
  const limits = new Map<string, (rejected: RejectedCaller) => void>()

  function report(listener: string): (requests: number, rejected: RejectedCaller) => void {
    return (requests, { reason, caller, address }) => {
      const fields = { listener, caller, clientAddress: address, requests }
      if (reason === 'certificate') logger.warn(fields, 'client certificate not allowed')
      else logger.warn({ ...fields, reason }, 'proxy authentication failed')
    }
  }

  return {
    addListener: metrics.rejectedCallers.addListener,
    note(listener, rejected) {
      const { reason, caller } = rejected
      metrics.rejectedCallers.note(listener, reason)
      // Users are configured, so that their number is limited; names of certificates are not.
      const key = JSON.stringify([listener, reason, reason === 'certificate' ? null : caller])
      const limited = limits.get(key) ?? createRateLimit(clock, report(listener))
      limits.set(key, limited)
      limited(rejected)
    },
  }
}
