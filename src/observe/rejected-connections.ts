/**
 * Why a transparent listener closes a connection: the reason in the log and the metrics, in words, and what to do
 * about it.
 */
export const REJECTIONS = {
  no_server_name: {
    message: 'the client sent no server name (SNI), so that its host is unknown',
    advice: 'Have the application call the host by its name, not by its address.',
  },
  unknown_host: {
    message: 'no route names the host',
    advice: 'If the application may call this host, add a route for it.',
  },
  encrypted_hello: {
    message: 'the client encrypts the server name (ECH), and no route names the public one',
    advice: 'Turn off Encrypted Client Hello in the client.',
  },
  not_http: {
    message: 'the client speaks neither TLS nor HTTP',
    advice:
      'Only HTTP and HTTPS can be redirected: let the application reach this server directly.',
  },
  malformed: {
    message: 'the ClientHello is malformed',
    advice: 'Check which program connects: it does not speak TLS as RFC 8446 specifies it.',
  },
  too_large: {
    message: 'the ClientHello is larger than 16 KiB',
    advice: 'Check which program connects: no common TLS client sends so much.',
  },
  timeout: {
    message: 'the client sent no complete ClientHello and no request in time',
    advice:
      'Protocols in which the server speaks first cannot be redirected: let the application reach this server directly.',
  },
  no_interception: {
    message: 'the client speaks TLS, and "intercept" is not set',
    advice: 'Set "intercept", and have the application trust its CA.',
  },
  no_certificate: {
    message: 'no certificate could be issued for the host',
    advice: 'The CA may not sign this host, or cannot be read: "token-sidecar ca" shows its names.',
  },
  loop: {
    message: 'the connection was opened by the sidecar itself',
    advice:
      'Exclude the user of the sidecar from the redirect rules, and run the application as another user.',
  },
  not_redirected: {
    message: 'the connection comes from another machine',
    advice:
      'Redirected connections arrive at a loopback address. To serve other machines, name an address of this one in "listen".',
  },
} as const

export type RejectionReason = keyof typeof REJECTIONS

export const REJECTION_REASONS = Object.keys(REJECTIONS).filter(isRejectionReason)

function isRejectionReason(reason: string): reason is RejectionReason {
  return Object.hasOwn(REJECTIONS, reason)
}
