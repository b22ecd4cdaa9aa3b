import { SidecarError } from '../errors.ts'
import { fieldValues } from '../http/field-lines.ts'
import type { RequestHead } from '../http/request-head.ts'
import { goesInCircles } from './via.ts'

/** Refuses what HTTP allows to send but not, or not like that, to pass on. `via` is our name in `Via`. */
export function refuseUnsupported(head: RequestHead, via: string | undefined): void {
  if (head.version === '') throw invalid('its version of HTTP is not supported')
  // RFC 9110 section 9.3.8: the answer would show the application the token that was added.
  if (head.method === 'TRACE') {
    throw new SidecarError(
      'method_not_supported',
      'Cannot forward the request: TRACE would show the token to whoever asks',
    )
  }
  // RFC 9112 section 3.2.4: this is "OPTIONS *" for the server behind us, which nothing says how to route.
  if (head.method === 'OPTIONS' && /^https?:\/\/[^/?#]*$/i.test(head.target)) {
    throw invalid('OPTIONS for a whole server is not supported')
  }
  if (head.expectation === 'unknown') {
    throw new SidecarError(
      'expectation_failed',
      'Cannot meet what the request expects: only "100-continue" is known',
    )
  }
  const isHttp1 = head.version !== '2.0'
  if (isHttp1 && head.hasBody && Number.isNaN(head.contentLength)) refuseCoding(head)
  if (via !== undefined && head.via !== undefined && goesInCircles(head.via, via)) {
    throw new SidecarError(
      'request_loop',
      'Cannot forward the request: it has come by here so often that it must be going in a circle',
    )
  }
}

/** RFC 9112 sections 6.1 and 7: the only coding that is undone here, and only where the version knows it. */
function refuseCoding({ fields, version }: RequestHead): void {
  if (version === '1.0') throw invalid('HTTP/1.0 knows no Transfer-Encoding')
  const codings = fieldValues(fields, 'transfer-encoding')
  if (codings.length !== 1 || codings[0]?.toLowerCase() !== 'chunked') {
    throw invalid('its only Transfer-Encoding can be "chunked"')
  }
}

function invalid(why: string): SidecarError {
  return new SidecarError('request_invalid', `Cannot forward the request: ${why}`)
}

/** RFC 9110 section 7.6.2: at zero a request is not forwarded; we answer it ourselves. */
export function isLastHop({ method, maxForwards }: RequestHead): boolean {
  return method === 'OPTIONS' && maxForwards !== undefined && /^0+$/.test(maxForwards)
}
