import type { IncomingMessage } from 'node:http'
import { SidecarError } from '../errors.ts'
import { readHttp1Head } from '../http/request-head.ts'
import { type CallerPolicy, createWebPageGuard, readTarget } from '../routing/origin-check.ts'
import type { RequestTarget } from '../routing/request-target.ts'
import { refuseUnsupported } from './request-rules.ts'

/**
 * For a listener that forwards nothing: fails for requests that the proxy would refuse whatever its
 * routes are, and returns the path and the query of others.
 */
export type CheckRequest = (req: IncomingMessage) => Pick<RequestTarget, 'path' | 'query'>

export function createRequestCheck(callers: CallerPolicy): CheckRequest {
  const refuseWebPages = createWebPageGuard(callers, () => false)
  return (req) => {
    const head = readHttp1Head(req)
    refuseUnsupported(head, undefined)
    const target = readTarget(head, req.socket, callers)
    refuseWebPages(head, target)
    if (target.absolute) {
      throw new SidecarError(
        'egress_denied',
        'Cannot serve the request: this listener is no proxy, and its target names another host',
      )
    }
    return target
  }
}
