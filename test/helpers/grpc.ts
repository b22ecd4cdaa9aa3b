import type { EventEmitter } from 'node:events'
import {
  Client,
  type ClientDuplexStream,
  credentials,
  Metadata,
  Server,
  ServerCredentials,
  type ServerDuplexStream,
  type ServerReadableStream,
  type ServerUnaryCall,
  type ServerWritableStream,
  status,
  type StatusObject,
} from '@grpc/grpc-js'
import { onTestFinished } from 'vitest'

export type GrpcServer = {
  readonly url: string
  /** The metadata of each call, in the order of arrival. */
  readonly calls: readonly Metadata[]
  /** How many calls were cancelled before they ended. */
  readonly cancelled: () => number
}

type Call = EventEmitter & { readonly metadata: Metadata }

/**
 * A gRPC server (grpc-js) whose messages are plain octets. `Unary` echoes, `Collect` joins the messages
 * of the client, `Repeat` sends a message three times, `Chat` echoes each message. A call with the
 * message "fail" ends with FAILED_PRECONDITION, and one with "wait" does not end. `accepts` decides by
 * the value of `authorization`; all others end with UNAUTHENTICATED.
 */
export async function startGrpcServer(
  accepts: (authorization: string) => boolean = () => true,
): Promise<GrpcServer> {
  const calls: Metadata[] = []
  let cancelled = 0
  const checkAuthorization = (call: Call): Error | undefined => {
    calls.push(call.metadata)
    call.on('cancelled', () => {
      cancelled += 1
    })
    const [authorization = ''] = call.metadata.get('authorization').map(String)
    return accepts(authorization)
      ? undefined
      : Object.assign(new Error('token not accepted'), { code: status.UNAUTHENTICATED })
  }
  const server = new Server()
  server.addService(SERVICE, {
    unary(call: ServerUnaryCall<Buffer, Buffer>, respond: Respond) {
      const message = call.request.toString()
      const error = checkAuthorization(call) ?? (message === 'fail' ? failure(call.metadata) : null)
      if (message === 'wait') return
      if (error === null) respond(null, call.request, call.metadata)
      else respond(error)
    },
    collect(call: ServerReadableStream<Buffer, Buffer>, respond: Respond) {
      const error = checkAuthorization(call)
      if (error !== undefined) {
        respond(error)
        return
      }
      const messages: Buffer[] = []
      call.on('data', (message: Buffer) => messages.push(message))
      call.on('end', () => respond(null, Buffer.concat(messages)))
    },
    repeat(call: ServerWritableStream<Buffer, Buffer>) {
      const error = checkAuthorization(call)
      if (error !== undefined) {
        call.emit('error', error)
        return
      }
      for (let i = 0; i < 3; i += 1) call.write(call.request)
      if (call.request.toString() === 'fail') call.emit('error', failure(call.metadata))
      else if (call.request.toString() !== 'wait') call.end()
    },
    chat(call: ServerDuplexStream<Buffer, Buffer>) {
      const error = checkAuthorization(call)
      if (error !== undefined) {
        call.emit('error', error)
        return
      }
      call.on('data', (message: Buffer) => call.write(message))
      call.on('end', () => call.end())
    },
  })
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) => {
      if (error === null) resolve(bound)
      else reject(error)
    })
  })
  onTestFinished(() => server.forceShutdown())
  return { url: `http://127.0.0.1:${port}`, calls, cancelled: () => cancelled }
}

function failure(received: Metadata): Error {
  const metadata = received.clone()
  metadata.set('x-reason', 'out of stock')
  return Object.assign(new Error('100 % naïve'), { code: status.FAILED_PRECONDITION, metadata })
}

type Respond = (error: Error | null, message?: Buffer, trailers?: Metadata) => void

const asIs = (octets: Buffer): Buffer => octets

function method(name: string, requestStream: boolean, responseStream: boolean) {
  return {
    path: `/test.Echo/${name}`,
    requestStream,
    responseStream,
    requestSerialize: asIs,
    requestDeserialize: asIs,
    responseSerialize: asIs,
    responseDeserialize: asIs,
  }
}

const SERVICE = {
  unary: method('Unary', false, false),
  collect: method('Collect', true, false),
  repeat: method('Repeat', false, true),
  chat: method('Chat', true, true),
}

/** How a call ended, as its client sees it. */
export type CallOutcome = {
  readonly messages: readonly string[]
  readonly code: number
  readonly details: string
  readonly trailers: Metadata
}

export type GrpcClient = {
  readonly unary: (message: string, options?: UnaryOptions) => Promise<CallOutcome>
  /** Sends all messages, then ends the client's side, and collects what comes back. */
  readonly stream: (
    name: 'Collect' | 'Repeat' | 'Chat',
    messages: readonly string[],
  ) => Promise<CallOutcome>
  /** A bidirectional call that the test drives. */
  readonly chat: () => ClientDuplexStream<Buffer, Buffer>
}

type UnaryOptions = { readonly metadata?: Metadata; readonly deadline?: number }

/** A gRPC client (grpc-js) for `origin`, such as http://127.0.0.1:8080. */
export function createGrpcClient(origin: string): GrpcClient {
  return grpcClientOver(new Client(new URL(origin).host, credentials.createInsecure()))
}

/** A gRPC client that calls `host` with TLS, through an HTTP proxy. */
export function createProxiedGrpcClient(proxyUrl: string, host: string, ca: string): GrpcClient {
  const tls = credentials.createSsl(Buffer.from(ca))
  return grpcClientOver(
    new Client(new URL(proxyUrl).host, tls, {
      'grpc.http_connect_target': `dns:${host}:443`,
      'grpc.ssl_target_name_override': host,
      'grpc.default_authority': host,
    }),
  )
}

function grpcClientOver(client: Client): GrpcClient {
  onTestFinished(() => client.close())
  const open = (name: string): ClientDuplexStream<Buffer, Buffer> =>
    client.makeBidiStreamRequest(`/test.Echo/${name}`, asIs, asIs)
  return {
    chat: () => open('Chat'),
    async unary(message, { metadata = new Metadata(), deadline } = {}) {
      const messages: string[] = []
      const call = client.makeUnaryRequest(
        '/test.Echo/Unary',
        asIs,
        asIs,
        Buffer.from(message),
        metadata,
        deadline === undefined ? {} : { deadline },
        (_error, response) => {
          if (response !== undefined) messages.push(response.toString())
        },
      )
      return { messages, ...(await statusOf(call)) }
    },
    async stream(name, sent) {
      const call = open(name)
      const messages: string[] = []
      call.on('data', (message: Buffer) => messages.push(message.toString()))
      for (const message of sent) call.write(Buffer.from(message))
      call.end()
      return { messages, ...(await statusOf(call)) }
    },
  }
}

/** The status of a call, once it has ended. */
export async function statusOf(call: EventEmitter): Promise<Omit<CallOutcome, 'messages'>> {
  // The status contains the error; without a listener, the error event would end the process.
  call.on('error', () => {})
  const ended = Promise.withResolvers<StatusObject>()
  call.once('status', ended.resolve)
  const { code, details, metadata } = await ended.promise
  return { code, details, trailers: metadata }
}
