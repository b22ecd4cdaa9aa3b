import { type IncomingMessage, type ServerResponse, STATUS_CODES } from 'node:http'
import { FAILURES, type SidecarError } from '../errors.ts'
import { endEarly } from '../inbound/linger.ts'

export type FailureContext = {
  readonly route: string | undefined
  readonly requestId: string | undefined
}

/**
 * Tells the application what went wrong and whose fault it is: a problem document (RFC 9457) and
 * `Proxy-Status` (RFC 9209). Where a response has begun already, it is cut off.
 */
export function respondWithFailure(
  req: IncomingMessage,
  res: ServerResponse,
  error: SidecarError,
  context: FailureContext,
): void {
  if (res.headersSent || res.destroyed) {
    res.destroy()
    return
  }
  endEarly(req, res)
  const { status, proxyError } = FAILURES[error.code]
  const body = problemDocument(error, context)
  // In so many words, because a phrase that was given in vain before would be taken again.
  res.writeHead(status, STATUS_CODES[status], [
    'Content-Type',
    'application/problem+json',
    'Content-Length',
    String(Buffer.byteLength(body)),
    'Cache-Control',
    'no-store',
    'Proxy-Status',
    `token-sidecar; error=${proxyError}; details="${error.code}"`,
    ...(error.retryAfterMs === undefined
      ? []
      : ['Retry-After', String(Math.max(1, Math.ceil(error.retryAfterMs / 1000)))]),
  ])
  res.end(body)
}

/** The answer to `OPTIONS` from the last of the hops that `Max-Forwards` grants. */
export function respondToOptions(res: ServerResponse): void {
  res.writeHead(204, ['Allow', 'GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS'])
  res.end()
}

export function problemDocument(error: SidecarError, context: FailureContext): string {
  const { status, title } = FAILURES[error.code]
  const { route, requestId } = context
  return `${JSON.stringify({
    type: `urn:token-sidecar:${error.code}`,
    title,
    status,
    detail: error.message,
    code: error.code,
    oauthError: error.oauthError,
    route,
    requestId,
  })}\n`
}
