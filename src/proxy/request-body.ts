import type { IncomingMessage } from 'node:http'
import { Readable } from 'node:stream'
import { clientClosed } from '../errors.ts'

/**
 * The body of `req` as a stream of its own. undici destroys the body of a request that ends early,
 * and to destroy `req` is to cut the connection on which the response is still to be written.
 * Nothing is taken from `req` before undici asks: a body that is there already would be sent with a
 * length where the application chose chunks.
 */
export function createRequestBody(req: IncomingMessage): Readable {
  let isStarted = false
  const body = new Readable({
    read() {
      if (isStarted) req.resume()
      else start()
    },
    destroy(error, callback) {
      // What still comes is thrown away, so that the client gets to read the response.
      req.off('data', onData)
      req.resume()
      callback(error)
    },
  })
  const onData = (chunk: Buffer): void => {
    if (!body.push(chunk)) req.pause()
  }
  const start = (): void => {
    isStarted = true
    req.on('data', onData)
    req.once('end', () => void body.push(null))
  }
  req.once('error', (error) => void body.destroy(error))
  req.once('close', () => {
    if (!req.complete) body.destroy(clientClosed())
  })
  return body
}
