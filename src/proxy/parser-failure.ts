import { SidecarError } from '../errors.ts'

/** What node:http reports as `clientError`. */
export type ParserError = NodeJS.ErrnoException & {
  readonly rawPacket?: Buffer
  readonly bytesParsed?: number
}

/** What the parser stumbled over, in our words: its own may quote a header. */
export function parserFailure(error: ParserError, maxHeaderBytes: number): SidecarError {
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
    case 'HPE_INVALID_METHOD': {
      if (!startsLikeRequest(error)) break
      return new SidecarError(
        'method_not_supported',
        'Cannot read the request: its method is not known here',
      )
    }
    default:
    // Whatever else it is, it is said below.
  }
  return new SidecarError('request_invalid', 'Cannot read the request: it is not valid HTTP/1.1')
}

/** Whether it was no more than the end of the connection. */
export function hasLeft({ code }: ParserError): boolean {
  return code === 'ECONNRESET' || code === 'EPIPE' || code === 'HPE_INVALID_EOF_STATE'
}

/** Whether what the parser stumbled over looks like a method (RFC 9110 section 9.1), and not like TLS. */
function startsLikeRequest({ rawPacket, bytesParsed = 0 }: ParserError): boolean {
  const text = rawPacket?.toString('latin1') ?? ''
  const line = text.slice(text.lastIndexOf('\n', bytesParsed - 1) + 1)
  return /^[!#$%&'*+\-.^_`|~\dA-Za-z]+ /.test(line)
}
