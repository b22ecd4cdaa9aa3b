import type { ServerResponse } from 'node:http'
import { FAILURES, type SidecarError } from '../errors.ts'

export type FailureContext = {
  readonly route: string | undefined
  readonly requestId: string | undefined
}

/**
 * Tells the application what went wrong and whose fault it is: a problem document (RFC 9457) and
 * `Proxy-Status` (RFC 9209). Where a response has begun already, it is cut off.
 */
export function respondWithFailure(
  res: ServerResponse,
  error: SidecarError,
  context: FailureContext,
): void {
  if (res.headersSent || res.destroyed) {
    res.destroy()
    return
  }
  const { status, proxyError } = FAILURES[error.code]
  const body = problemDocument(error, context)
  res.writeHead(status, [
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
