import { SidecarError } from '../errors.ts'
import { fieldValues } from '../http/field-lines.ts'
import type { RequestHead } from '../http/request-head.ts'
import { isLoop } from './via.ts'

/** Refuses requests that must not be forwarded. `via` is our name in `Via`. */
export function refuseUnsupported(head: RequestHead, via: string | undefined): void {
  if (head.version === '') throw invalid('its version of HTTP is not supported')
  // RFC 9110 section 9.3.8: the response would contain the token that was added.
  if (head.method === 'TRACE') {
    throw new SidecarError(
      'method_not_supported',
      'Cannot forward the request: the response to TRACE would contain the token',
    )
  }
  // RFC 9112 section 3.2.4: this is equivalent to "OPTIONS *", which has no path to route by.
  if (head.method === 'OPTIONS' && /^https?:\/\/[^/?#]*$/i.test(head.target)) {
    throw invalid('OPTIONS for a whole server is not supported')
  }
  if (head.expectation === 'unknown') {
    throw new SidecarError(
      'expectation_failed',
      'Cannot meet the expectation of the request: only "100-continue" is supported',
    )
  }
  const isHttp1 = head.version !== '2.0'
  if (isHttp1 && head.hasBody && Number.isNaN(head.contentLength)) refuseCoding(head)
  if (via !== undefined && head.via !== undefined && isLoop(head.via, via)) {
    throw new SidecarError(
      'request_loop',
      'Cannot forward the request: forwarding loop detected, its Via field names this sidecar too often',
    )
  }
}

/** RFC 9112 sections 6.1 and 7: "chunked" is the only supported transfer coding, and HTTP/1.0 has none. */
function refuseCoding({ fields, version }: RequestHead): void {
  if (version === '1.0') throw invalid('HTTP/1.0 has no Transfer-Encoding')
  const codings = fieldValues(fields, 'transfer-encoding')
  if (codings.length !== 1 || codings[0]?.toLowerCase() !== 'chunked') {
    throw invalid('its only Transfer-Encoding can be "chunked"')
  }
}

function invalid(why: string): SidecarError {
  return new SidecarError('request_invalid', `Cannot forward the request: ${why}`)
}

/** RFC 9110 section 7.6.2: at zero the sidecar responds itself. */
export function isLastHop({ method, maxForwards }: RequestHead): boolean {
  return method === 'OPTIONS' && maxForwards !== undefined && /^0+$/.test(maxForwards)
}
