import { maxHeaderSize, type Server, type ServerResponse, STATUS_CODES } from 'node:http'
import type { Duplex } from 'node:stream'
import { FAILURES, type SidecarError } from '../errors.ts'
import { isDisconnect, type ParserError, parserFailure } from '../http/parser-failure.ts'

/** How long the client may take to read the response before the connection is closed. */
const CLOSE_DELAY_MS = 2_000

/**
 * Explains to the client, as the proxy listener does, why its bytes are not an HTTP/1.1 request: a
 * scraper with the wrong scheme would otherwise get a bare 400. `onRefused` is not called for clients
 * that disconnect or send nothing.
 */
export function refuseUnreadable(server: Server, onRefused: (failure: SidecarError) => void): void {
  const lastResponse = new WeakMap<Duplex, ServerResponse>()
  /** node:http repeats the error for every packet that follows. */
  const failed = new WeakSet<Duplex>()

  server.on('request', ({ socket }, res) => void lastResponse.set(socket, res))
  server.on('clientError', (error: ParserError, socket) => {
    if (failed.has(socket)) return
    failed.add(socket)
    const last = lastResponse.get(socket)
    const isWithinBody = last?.req.complete === false
    if (isDisconnect(error) || isWithinBody || !socket.writable) {
      socket.destroy()
      return
    }
    const failure = parserFailure(error, maxHeaderSize)
    if (failure.code !== 'request_timeout') onRefused(failure)
    if (last === undefined || last.closed) respond(socket, failure)
    else last.once('close', () => respond(socket, failure))
  })
}

function respond(socket: Duplex, { code, message }: SidecarError): void {
  const { status } = FAILURES[code]
  const body = `${JSON.stringify({ code, error: message }, undefined, 2)}\n`
  socket.end(
    [
      `HTTP/1.1 ${status} ${STATUS_CODES[status]}`,
      'Content-Type: application/json',
      `Content-Length: ${Buffer.byteLength(body)}`,
      'Connection: close',
      '',
      body,
    ].join('\r\n'),
  )
  // To close a socket with unread data resets the connection, and the reset may overtake the response.
  socket.resume()
  const timer = setTimeout(() => socket.destroy(), CLOSE_DELAY_MS).unref()
  socket.once('close', () => clearTimeout(timer))
}
