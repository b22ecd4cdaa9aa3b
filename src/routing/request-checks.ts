import type { IncomingMessage } from 'node:http'
import { SidecarError } from '../errors.ts'
import { type CallerPolicy, createWebPageGuard, isOwnAddress } from './origin-check.ts'
import { readRequestHead, type RequestHead } from '../http/request-head.ts'
import { refuseUnsupported } from '../exchange/request-rules.ts'
import { parseRequestTarget, type RequestTarget } from './request-target.ts'

/** Where a request wants to go. An absolute target that names the sidecar is like a path. */
export function readTarget(
  req: IncomingMessage,
  { target, hosts }: RequestHead,
  callers: CallerPolicy,
): RequestTarget {
  const asked = parseRequestTarget(target, hosts, req.httpVersion)
  const isForUs = asked.absolute && isOwnAddress(asked, callers, req.socket.localPort)
  return isForUs ? { ...asked, absolute: false } : asked
}

/**
 * For a listener that forwards nothing: fails for requests that the proxy would refuse whatever its
 * routes are, and returns the path and the query of others.
 */
export type CheckRequest = (req: IncomingMessage) => Pick<RequestTarget, 'path' | 'query'>

export function createRequestCheck(callers: CallerPolicy): CheckRequest {
  const refuseWebPages = createWebPageGuard(callers, () => false)
  return (req) => {
    const head = readRequestHead(req)
    refuseUnsupported(head, req.httpVersionMajor, undefined)
    const target = readTarget(req, head, callers)
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
