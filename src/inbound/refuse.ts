import { STATUS_CODES } from 'node:http'
import type { Duplex } from 'node:stream'
import { FAILURES, type SidecarError } from '../errors.ts'
import { closeGently } from './linger.ts'
import {
  challengeFields,
  type FailureContext,
  problemDocument,
  proxyStatus,
} from '../exchange/failure-response.ts'

/** Sends a failure where there is no response object, and closes the connection. */
export function refuse(
  socket: Duplex,
  failure: SidecarError,
  context: FailureContext,
  phrase = STATUS_CODES[FAILURES[failure.code].status],
): void {
  const { status } = FAILURES[failure.code]
  const body = problemDocument(failure, context)
  const [name, challenge] = challengeFields(failure)
  closeGently(
    socket,
    [
      `HTTP/1.1 ${status} ${phrase}`,
      'Content-Type: application/problem+json',
      `Content-Length: ${Buffer.byteLength(body)}`,
      `Proxy-Status: ${proxyStatus(failure)}`,
      ...(name === undefined ? [] : [`${name}: ${challenge}`]),
      'Connection: close',
      '',
      body,
    ].join('\r\n'),
  )
}

/** The reason is also in the status line, because most clients show nothing else of a refused CONNECT. */
export function refuseTunnel(socket: Duplex, failure: SidecarError, context: FailureContext): void {
  const { status } = FAILURES[failure.code]
  const reason = failure.message
    .replace(/^Cannot [^:]*: /, '')
    // RFC 9112 section 4: a reason phrase is one line of text.
    .replaceAll(/[^\x20-\x7e]/g, '?')
    .slice(0, MAX_REASON_LENGTH)
  refuse(socket, failure, context, `${STATUS_CODES[status]}: ${reason}`)
}

const MAX_REASON_LENGTH = 200
