import type { IncomingMessage, ServerResponse } from 'node:http'
import type { InboundRequest, SwitchProtocols } from '../http/inbound-request.ts'
import { readHttp1Head } from '../http/request-head.ts'
import type { IntegrationMode } from '../lib/integration-mode.ts'
import { type BodySource, readBody } from './body-reader.ts'
import { abortReason } from './abort-reason.ts'
import { createAbortController } from '../lib/abort-controller.ts'

export type Http1RequestOptions = {
  readonly connection: InboundRequest['connection']
  readonly mode: IntegrationMode
  readonly switchProtocols: SwitchProtocols | undefined
}

/** Presents a request of `node:http` to the exchange. */
export function createHttp1Request(
  req: IncomingMessage,
  res: ServerResponse,
  { connection, mode, switchProtocols }: Http1RequestOptions,
): InboundRequest {
  const exchange = createAbortController()
  res.on('close', () => {
    if (!res.writableFinished) exchange.abort(abortReason(req))
  })
  return {
    head: readHttp1Head(req),
    mode,
    connection,
    openBody: (keepBytes, filterTrailers) => readBody(bodyOf(req), keepBytes, filterTrailers),
    signal: exchange.signal,
    abort: (reason) => exchange.abort(reason),
    switchProtocols,
  }
}

function bodyOf(req: IncomingMessage): BodySource {
  return {
    stream: req,
    isComplete: () => req.complete,
    receivedBytes: () => req.socket.bytesRead,
    trailers: () => req.rawTrailers,
    closeReason: () => abortReason(req),
  }
}
