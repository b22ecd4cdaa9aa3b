import type { IncomingMessage } from 'node:http'
import { SidecarError } from '../errors.ts'
import { readHttp1Head } from '../http/request-head.ts'
import { type OriginPolicy, createOriginCheck, readTarget } from '../routing/origin-check.ts'
import type { RequestTarget } from '../routing/request-target.ts'
import { refuseUnsupported } from './request-rules.ts'

/**
 * Applies the request checks of the proxy listener to a listener that does not forward. Throws for a
 * request that is refused; otherwise returns its path and query.
 */
export type CheckRequest = (req: IncomingMessage) => Pick<RequestTarget, 'path' | 'query'>

export function createRequestCheck(originPolicy: OriginPolicy): CheckRequest {
  const checkOrigin = createOriginCheck(originPolicy, () => false)
  return (req) => {
    const head = readHttp1Head(req)
    refuseUnsupported(head, undefined)
    const target = readTarget(head, req.socket, originPolicy)
    checkOrigin(head, target)
    if (target.absolute) {
      throw new SidecarError(
        'egress_denied',
        'Cannot serve the request: its target names another host, and this listener is not a proxy',
      )
    }
    return target
  }
}
