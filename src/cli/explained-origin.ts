import type { RequestDecisions } from '../compose/request-decision.ts'
import type { ListenerConfig } from '../config/listen-schema.ts'
import type { Config } from '../config/schema.ts'
import type { ExplainedRequest } from './explanation.ts'

export type Origin = NonNullable<Parameters<RequestDecisions['decide']>[2]>

/** The origin of the connection, where the sidecar serves it in the place of a host. */
export function connectionOrigin(
  { method, url }: ExplainedRequest,
  { mode }: ListenerConfig,
  { isIntercepted, isOwn }: RequestDecisions,
): Origin | undefined {
  const [, scheme = '', authority = ''] = /^(https?|wss?):\/\/([^/?#]+)/i.exec(url) ?? []
  if (method === 'CONNECT') return undefined
  const host = authority
    .toLowerCase()
    .replace(/\.(?=:|$)/, '')
    .replace(/:443$/, '')
  if (mode === 'transparent') {
    return /^(?:https|wss)$/i.test(scheme)
      ? { host, scheme: 'https', mode }
      : { host: undefined, scheme: 'http', mode }
  }
  return /^(?:https|wss)$/i.test(scheme) && !isOwn(authority) && isIntercepted(host)
    ? { host, scheme: 'https', mode: 'intercepted' }
    : undefined
}

/** Why a transparent listener does not serve a connection. */
export function whyReset(
  { method }: ExplainedRequest,
  { intercept }: Config,
  origin: Origin | undefined,
): string | undefined {
  if (method === 'CONNECT') return 'a transparent listener is not a proxy'
  if (origin?.scheme !== 'https') return undefined
  if (intercept === undefined) return 'redirected https connections are reset without "intercept"'
  return /:\d+$/.test(origin.host ?? '')
    ? 'the port of a redirected https connection is not known, so that only 443 is served'
    : undefined
}

export function originNote({ scheme, mode }: Origin): string | undefined {
  if (scheme === 'http') return undefined
  const how = mode === 'transparent' ? 'the connection is redirected' : 'the tunnel is intercepted'
  return `${how}, so the application has to trust the CA of the sidecar`
}
