import { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { ParserError } from '../http/parser-failure.ts'

/** RFC 9113 section 3.4. */
const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'latin1')

/** Whether a connection begins with the preface of HTTP/2, at which the HTTP/1.1 parser stops. */
export function beginsWithPreface(
  { code, rawPacket, bytesParsed = 0 }: ParserError,
  socket: Duplex,
): socket is Socket {
  return (
    code === 'HPE_PAUSED_H2_UPGRADE' &&
    rawPacket !== undefined &&
    socket instanceof Socket &&
    // Nothing before it: neither a request nor an empty line.
    socket.bytesRead - (rawPacket.length - bytesParsed) === PREFACE.length
  )
}

/**
 * Detaches a socket from the HTTP/1.1 server that accepted it, and puts back what that has read, the
 * preface included. The server still counts the socket as one of its connections.
 */
export function detachFromHttp1(socket: Socket, { rawPacket, bytesParsed }: ParserError): void {
  // A listener takes the socket from the parser; pausing keeps its octets for the next reader.
  socket.on('data', () => {})
  socket.pause()
  socket.removeAllListeners('data')
  // The HTTP/1.1 server would end the connection at the end of the client's side.
  socket.removeAllListeners('end')
  socket.removeAllListeners('drain')
  socket.unshift(Buffer.concat([PREFACE, rawPacket?.subarray(bytesParsed) ?? Buffer.alloc(0)]))
}
