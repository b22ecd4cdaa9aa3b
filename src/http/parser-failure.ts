import { SidecarError } from '../errors.ts'

/** What node:http reports as `clientError`. */
export type ParserError = NodeJS.ErrnoException & {
  readonly rawPacket?: Buffer
  readonly bytesParsed?: number
}

/** Protocols that clients use by mistake. */
const OTHER_PROTOCOLS = {
  tls: {
    what: 'TLS (https)',
    advice:
      'A client calls the sidecar itself by https: use "http://" in the base URL, or in the URL of the proxy.',
  },
  socks: {
    what: 'SOCKS',
    advice: 'A client takes the sidecar for a SOCKS proxy: configure it for an HTTP proxy.',
  },
  proxy_protocol: {
    what: 'the PROXY protocol',
    advice: 'A load balancer in front of the sidecar sends the PROXY protocol: turn it off there.',
  },
} as const

export type OtherProtocol = keyof typeof OTHER_PROTOCOLS

/** The other protocol that the client uses; undefined if it is not recognised. */
export function otherProtocol({
  code,
  rawPacket,
  bytesParsed = 0,
}: ParserError): OtherProtocol | undefined {
  if (code !== 'HPE_INVALID_METHOD' || rawPacket === undefined) return undefined
  const text = rawPacket.toString('latin1')
  if (text.startsWith('\r\n\r\n\0\r\nQUIT\n')) return 'proxy_protocol'
  const line = text.slice(text.lastIndexOf('\n', bytesParsed - 1) + 1)
  // RFC 8446 section 5.1: a record of the handshake, of version 3.x; it may come byte by byte.
  if (line === '\x16' || line.startsWith('\x16\x03')) return 'tls'
  if (/^PROXY (?:TCP[46]|UNKNOWN)/.test(line)) return 'proxy_protocol'
  // RFC 1928 section 3, and the version before it.
  if (['\x05', '\x04\x01', '\x04\x02'].some((start) => line.startsWith(start))) return 'socks'
  return undefined
}

/** The parser's error as a failure; its own message may quote a field. */
export function parserFailure(error: ParserError, maxHeaderBytes: number): SidecarError {
  const protocol = otherProtocol(error)
  if (protocol !== undefined) {
    const { what, advice } = OTHER_PROTOCOLS[protocol]
    return new SidecarError(
      'request_invalid',
      `Cannot read the request: it is ${what}, and this listener speaks plain HTTP only`,
      { advice },
    )
  }
  switch (error.code) {
    case 'HPE_HEADER_OVERFLOW': {
      return new SidecarError(
        'headers_too_large',
        `Cannot read the request: its headers exceed ${maxHeaderBytes} bytes, or a thousand lines`,
      )
    }
    case 'ERR_HTTP_REQUEST_TIMEOUT': {
      return new SidecarError(
        'request_timeout',
        'Cannot read the request: its headers did not arrive in time',
      )
    }
    case 'HPE_INVALID_EOF_STATE': {
      return new SidecarError(
        'request_invalid',
        'Cannot read the request: the connection ended before the request was complete',
      )
    }
    case 'HPE_INVALID_VERSION': {
      return new SidecarError(
        'request_invalid',
        'Cannot read the request: only HTTP/2, HTTP/1.1 and HTTP/1.0 are supported',
      )
    }
    // RFC 9113 section 3.4: the parser recognises the preface, at the beginning of a connection or later.
    case 'HPE_PAUSED_H2_UPGRADE': {
      return new SidecarError(
        'request_invalid',
        'Cannot read the request: it is HTTP/2, which is not expected here',
        { advice: 'Use HTTP/1.1 for this listener, or open another connection for HTTP/2.' },
      )
    }
    case 'HPE_INVALID_METHOD': {
      if (!startsLikeRequest(error)) break
      return new SidecarError(
        'method_not_supported',
        'Cannot read the request: its method is not supported',
      )
    }
    default:
    // Reported below.
  }
  return new SidecarError('request_invalid', 'Cannot read the request: it is not valid HTTP/1.1')
}

/** Why TLS could not be established with a client. */
export function handshakeFailure({ code = 'unknown reason' }: ParserError): SidecarError {
  const reason =
    code === 'ERR_SSL_HTTP_REQUEST'
      ? 'the client speaks plain HTTP, and this listener speaks TLS'
      : code === 'ERR_SSL_PEER_DID_NOT_RETURN_A_CERTIFICATE'
        ? 'the client sent no certificate'
        : `the TLS handshake failed (${code})`
  return new SidecarError('request_invalid', `Cannot read the request: ${reason}`)
}

/** Whether the client has disconnected. */
export function isDisconnect(error: ParserError): boolean {
  return isConnectionError(error) || error.code === 'HPE_INVALID_EOF_STATE'
}

/** Whether the connection is broken, so that no response reaches the client. */
export function isConnectionError({ code }: ParserError): boolean {
  return code === 'ECONNRESET' || code === 'EPIPE'
}

/** Whether the input at which the parser failed begins with a method (RFC 9110 section 9.1). */
function startsLikeRequest({ rawPacket, bytesParsed = 0 }: ParserError): boolean {
  const text = rawPacket?.toString('latin1') ?? ''
  const line = text.slice(text.lastIndexOf('\n', bytesParsed - 1) + 1)
  return /^[!#$%&'*+\-.^_`|~\dA-Za-z]+ /.test(line)
}
