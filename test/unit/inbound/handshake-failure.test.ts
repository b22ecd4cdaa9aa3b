import { expect, test } from 'vitest'
import { handshakeFailure } from '../../../src/inbound/handshake-failure.ts'

const NAMED = { serverName: 'api.example.com', alpn: undefined }

/** The codes of Node 26, as clients of these programs cause them. */
test.for([
  { code: 'ERR_SSL_TLSV1_ALERT_UNKNOWN_CA', client: 'curl, Python', outcome: 'unknown_ca' },
  { code: 'ERR_SSL_SSL/TLS_ALERT_BAD_CERTIFICATE', client: 'Go', outcome: 'bad_certificate' },
  { code: 'ERR_SSL_SSL/TLS_ALERT_CERTIFICATE_UNKNOWN', client: 'Java', outcome: 'bad_certificate' },
  { code: 'ERR_SSL_SSLV3_ALERT_BAD_CERTIFICATE', client: 'older', outcome: 'bad_certificate' },
  { code: 'ERR_SSL_SSLV3_ALERT_CERTIFICATE_EXPIRED', client: 'any', outcome: 'bad_certificate' },
  {
    code: 'ERR_SSL_SSLV3_ALERT_UNSUPPORTED_CERTIFICATE',
    client: 'any',
    outcome: 'bad_certificate',
  },
  { code: 'ECONNRESET', client: 'wget', outcome: 'closed' },
  { code: 'EPIPE', client: 'any', outcome: 'closed' },
  { code: undefined, client: 'Node', outcome: 'closed' },
  { code: 'ERR_SSL_UNSUPPORTED_PROTOCOL', client: 'TLS 1.1', outcome: 'protocol' },
  { code: 'ERR_SSL_NO_SHARED_CIPHER', client: 'RSA only', outcome: 'protocol' },
  { code: 'ERR_SSL_DECRYPTION_FAILED_OR_BAD_RECORD_MAC', client: 'broken', outcome: 'other' },
])('a client ($client) that ends the handshake with $code: $outcome', ({ code, outcome }) => {
  const failure = handshakeFailure({ code, ...NAMED })
  expect(failure.outcome).toBe(outcome)
  expect(failure.advice).not.toBe('')
})

test.for(['ERR_SSL_NO_SHARED_CIPHER', 'ERR_SSL_NO_SUITABLE_SIGNATURE_ALGORITHM'])(
  '%s without a server name means that the client sent none',
  (code) => {
    const failure = handshakeFailure({ code, serverName: undefined, alpn: undefined })
    expect(failure.outcome).toBe('no_sni')
  },
)

test('the protocols that a client requires are named, unless they are not plain text', () => {
  const code = 'ERR_SSL_NO_APPLICATION_PROTOCOL'
  const { reason } = handshakeFailure({ code, ...NAMED, alpn: ['h2', 'evil\n"line"'] })
  expect(reason).toBe('no common application protocol: the client offers "h2" only')
})

test.for(['unknown_ca', 'bad_certificate', 'closed'])(
  'the advice for %s names the variables of the common runtimes',
  (outcome) => {
    const codes = {
      unknown_ca: 'ERR_SSL_TLSV1_ALERT_UNKNOWN_CA',
      bad_certificate: 'ERR_SSL_SSL/TLS_ALERT_BAD_CERTIFICATE',
    }
    const code =
      outcome === 'closed'
        ? undefined
        : codes[outcome === 'unknown_ca' ? outcome : 'bad_certificate']
    const { advice } = handshakeFailure({ code, ...NAMED })
    for (const variable of ['SSL_CERT_FILE', 'REQUESTS_CA_BUNDLE', 'NODE_EXTRA_CA_CERTS']) {
      expect(advice).toContain(variable)
    }
    expect(advice).toContain('javax.net.ssl.trustStore')
  },
)
