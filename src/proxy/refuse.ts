import { STATUS_CODES } from 'node:http'
import type { Duplex } from 'node:stream'
import { FAILURES, type SidecarError } from '../errors.ts'
import { closeGently } from './linger.ts'
import { type FailureContext, problemDocument } from './respond.ts'

/** Answers where there is no response object, and closes. */
export function refuse(socket: Duplex, failure: SidecarError, context: FailureContext): void {
  const { status, proxyError } = FAILURES[failure.code]
  const body = problemDocument(failure, context)
  closeGently(
    socket,
    [
      `HTTP/1.1 ${status} ${STATUS_CODES[status]}`,
      'Content-Type: application/problem+json',
      `Content-Length: ${Buffer.byteLength(body)}`,
      `Proxy-Status: token-sidecar; error=${proxyError}; details="${failure.code}"`,
      'Connection: close',
      '',
      body,
    ].join('\r\n'),
  )
}
