import { connect } from 'node:net'
import { createResponseReader } from './response-reader.ts'

/** A persistent connection with at most one request in flight. */
export type Requester = {
  /** Resolves once connected. */
  readonly opened: Promise<void>
  send(): void
  close(): void
}

export type RequesterOptions = {
  readonly host: string
  readonly port: number
  readonly request: Buffer
  readonly onResponse: (requester: Requester) => void
  readonly onFailure: (reason: string) => void
}

export function createRequester(options: RequesterOptions): Requester {
  const { host, port, request, onResponse, onFailure } = options
  const reader = createResponseReader()
  const opened = Promise.withResolvers<void>()
  const socket = connect({ host, port, noDelay: true }, () => opened.resolve())
  let isClosing = false
  const fail = (reason: string): void => {
    socket.destroy()
    opened.reject(new Error(reason))
    if (!isClosing) onFailure(reason)
  }
  opened.promise.catch(() => {})
  const requester: Requester = {
    opened: opened.promise,
    send: () => void socket.write(request),
    close() {
      isClosing = true
      socket.destroy()
    },
  }
  socket.on('data', (chunk: Buffer) => {
    try {
      if (reader.read(chunk)) onResponse(requester)
    } catch (cause) {
      fail(cause instanceof Error ? cause.message : String(cause))
    }
  })
  socket.on('error', ({ message }) => fail(message))
  socket.on('close', () => fail('a connection was closed'))
  return requester
}
