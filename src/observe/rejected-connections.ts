import type { Clock } from '../lib/clock.ts'
import { createRateLimit } from '../lib/rate-limit.ts'
import type { Logger } from './logger.ts'

/** Why a transparent listener resets a connection. The keys are in the log and the metrics. */
const REJECTIONS = {
  no_server_name: {
    explanation: 'the client sent no server name (SNI), so that its host is unknown',
    advice: 'Have the application call the host by its name, not by its address.',
  },
  unknown_host: {
    explanation: 'no route names the host',
    advice: 'If the application may call this host, add a route for it.',
  },
  encrypted_hello: {
    explanation: 'the client encrypts the server name (ECH), and no route names the public one',
    advice: 'Turn off Encrypted Client Hello in the client.',
  },
  not_http: {
    explanation: 'the client speaks neither TLS nor HTTP',
    advice:
      'Only HTTP and HTTPS can be redirected: let the application reach this server directly.',
  },
  malformed: {
    explanation: 'the ClientHello is malformed',
    advice: 'Check which program connects: it does not speak TLS as RFC 8446 specifies it.',
  },
  too_large: {
    explanation: 'the ClientHello is larger than 16 KiB',
    advice: 'Check which program connects: no common TLS client sends so much.',
  },
  timeout: {
    explanation: 'the client sent no complete ClientHello and no request in time',
    advice:
      'Protocols in which the server speaks first cannot be redirected: let the application reach this server directly.',
  },
  no_interception: {
    explanation: 'the client speaks TLS, and "intercept" is not set',
    advice: 'Set "intercept", and have the application trust its CA.',
  },
  no_certificate: {
    explanation: 'no certificate could be issued for the host',
    advice: 'The CA may not sign this host, or cannot be read: "token-sidecar ca" shows its names.',
  },
  too_many_connections: {
    explanation: 'too many connections are open',
    advice: 'Raise "limits.connections", or have the application reuse its connections.',
  },
  loop: {
    explanation: 'the connection was opened by the sidecar itself',
    advice:
      'Exclude the user of the sidecar from the redirect rules, and run the application as another user.',
  },
  not_redirected: {
    explanation: 'the connection comes from another machine',
    advice:
      'Redirected connections arrive at a loopback address. To serve other machines, name an address of this one in "listen".',
  },
} as const

export type RejectionReason = keyof typeof REJECTIONS

export const REJECTION_REASONS = Object.keys(REJECTIONS).filter(isRejectionReason)

/** Logs rejected connections: for each reason at most one line a minute, with the latest host. */
export function createRejectionLog(
  logger: Logger,
  clock: Clock,
): (listener: string, reason: RejectionReason, host: string | undefined) => void {
  const limits = new Map(
    REJECTION_REASONS.map((reason) => [
      reason,
      createRateLimit(clock, (connections, found: { listener: string; host?: string }) =>
        logger.warn(
          { ...found, reason, ...REJECTIONS[reason], connections },
          'redirected connection rejected',
        ),
      ),
    ]),
  )
  return (listener, reason, host) =>
    limits.get(reason)?.({ listener, ...(host !== undefined && { host }) })
}

function isRejectionReason(reason: string): reason is RejectionReason {
  return Object.hasOwn(REJECTIONS, reason)
}
