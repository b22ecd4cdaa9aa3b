import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { onTestFinished } from 'vitest'
import { createFieldDecoder, encodeFields } from './hpack.ts'
import { until } from './wait.ts'

/** RFC 9113 section 6. */
export const FRAME = {
  DATA: 0,
  HEADERS: 1,
  PRIORITY: 2,
  RST_STREAM: 3,
  SETTINGS: 4,
  PUSH_PROMISE: 5,
  PING: 6,
  GOAWAY: 7,
  WINDOW_UPDATE: 8,
  CONTINUATION: 9,
} as const

export const FLAG = { END_STREAM: 1, ACK: 1, END_HEADERS: 4 } as const

/** RFC 9113 section 7. */
export const ERROR = {
  NO_ERROR: 0,
  PROTOCOL_ERROR: 1,
  INTERNAL_ERROR: 2,
  FLOW_CONTROL_ERROR: 3,
  CANCEL: 8,
  COMPRESSION_ERROR: 9,
  CONNECT_ERROR: 10,
  ENHANCE_YOUR_CALM: 11,
} as const

export const PREFACE = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'

export type Frame = {
  readonly type: number
  readonly flags: number
  readonly streamId: number
  readonly payload: Buffer
}

export function encodeFrame(
  type: number,
  flags: number,
  streamId: number,
  payload: Buffer = Buffer.alloc(0),
): Buffer {
  const head = Buffer.alloc(9)
  head.writeUIntBE(payload.length, 0, 3)
  head.writeUInt8(type, 3)
  head.writeUInt8(flags, 4)
  head.writeUInt32BE(streamId, 5)
  return Buffer.concat([head, payload])
}

/** Names and values of `fields` alternate. */
export function headersFrame(
  streamId: number,
  fields: readonly string[],
  flags: number = FLAG.END_STREAM | FLAG.END_HEADERS,
): Buffer {
  return encodeFrame(FRAME.HEADERS, flags, streamId, encodeFields(fields))
}

export function dataFrame(streamId: number, content: string | Buffer, flags = 0): Buffer {
  return encodeFrame(FRAME.DATA, flags, streamId, Buffer.from(content))
}

export function resetFrame(streamId: number, code: number): Buffer {
  return encodeFrame(FRAME.RST_STREAM, 0, streamId, uint32(code))
}

export function windowUpdateFrame(streamId: number, increment: number): Buffer {
  return encodeFrame(FRAME.WINDOW_UPDATE, 0, streamId, uint32(increment))
}

/** Pairs of identifiers and values (RFC 9113 section 6.5.1). */
export function settingsFrame(settings: readonly (readonly [number, number])[] = []): Buffer {
  const entries = settings.map(([identifier, value]) => {
    const entry = Buffer.alloc(6)
    entry.writeUInt16BE(identifier, 0)
    entry.writeUInt32BE(value, 2)
    return entry
  })
  return encodeFrame(FRAME.SETTINGS, 0, 0, Buffer.concat(entries))
}

function uint32(value: number): Buffer {
  const octets = Buffer.alloc(4)
  octets.writeUInt32BE(value)
  return octets
}

/** The fields of a GET request, with those of `extra` after them. */
export function requestFields(
  extra: readonly string[] = [],
  { method = 'GET', path = '/', authority = 'localhost', scheme = 'http' } = {},
): string[] {
  return [':method', method, ':scheme', scheme, ':authority', authority, ':path', path, ...extra]
}

/** The data received on one stream. */
export type ReceivedStream = {
  /** Header sections in their order; names and values alternate. */
  readonly sections: string[][]
  content: Buffer
  isEnded: boolean
  resetCode: number | undefined
  /** The flags of the last HEADERS or DATA frame, and its type. */
  last: Pick<Frame, 'type' | 'flags'> | undefined
}

export type FrameClient = {
  readonly socket: Socket
  readonly send: (...frames: readonly Buffer[]) => void
  readonly frames: readonly Frame[]
  readonly stream: (id: number) => ReceivedStream
  /** Resolves when the stream has ended or was reset. */
  readonly response: (id: number) => Promise<ReceivedStream>
  /** The error code of the last GOAWAY frame. */
  readonly goaway: () => number | undefined
  readonly isClosed: () => boolean
}

/** A raw HTTP/2 client: the frames that it sends are not verified; it acknowledges SETTINGS and PING. */
export async function openFrameClient(
  origin: string | Socket,
  settings: Buffer = settingsFrame(),
): Promise<FrameClient> {
  const socket = typeof origin === 'string' ? connectTo(origin) : origin
  onTestFinished(() => void socket.destroy())
  const frames: Frame[] = []
  const streams = new Map<number, ReceivedStream>()
  const decode = createFieldDecoder()
  let goaway: number | undefined
  let isClosed = false
  let buffered = Buffer.alloc(0)
  let block = Buffer.alloc(0)

  const stream = (id: number): ReceivedStream => {
    const known = streams.get(id)
    if (known !== undefined) return known
    const created: ReceivedStream = {
      sections: [],
      content: Buffer.alloc(0),
      isEnded: false,
      resetCode: undefined,
      last: undefined,
    }
    streams.set(id, created)
    return created
  }
  const receive = (frame: Frame): void => {
    const { type, flags, streamId, payload } = frame
    frames.push(frame)
    if (type === FRAME.HEADERS || type === FRAME.CONTINUATION) {
      block = Buffer.concat([block, payload])
      if ((flags & FLAG.END_HEADERS) !== 0) {
        stream(streamId).sections.push(decode(block))
        block = Buffer.alloc(0)
      }
    } else if (type === FRAME.DATA) {
      const received = stream(streamId)
      received.content = Buffer.concat([received.content, payload])
    } else if (type === FRAME.RST_STREAM) stream(streamId).resetCode = payload.readUInt32BE()
    else if (type === FRAME.GOAWAY) goaway = payload.readUInt32BE(4)
    else if ((type === FRAME.SETTINGS || type === FRAME.PING) && (flags & FLAG.ACK) === 0) {
      const content = type === FRAME.PING ? payload : Buffer.alloc(0)
      socket.write(encodeFrame(type, FLAG.ACK, 0, content))
    }
    if (type === FRAME.HEADERS || type === FRAME.DATA) {
      stream(streamId).last = { type, flags }
      stream(streamId).isEnded ||= (flags & FLAG.END_STREAM) !== 0
    }
  }
  socket.on('data', (chunk: Buffer) => {
    buffered = Buffer.concat([buffered, chunk])
    for (;;) {
      if (buffered.length < 9) return
      const length = buffered.readUIntBE(0, 3)
      if (buffered.length < 9 + length) return
      receive({
        type: buffered.readUInt8(3),
        flags: buffered.readUInt8(4),
        streamId: buffered.readUInt32BE(5),
        payload: buffered.subarray(9, 9 + length),
      })
      buffered = buffered.subarray(9 + length)
    }
  })
  socket.on('error', () => {})
  const onClose = (): void => {
    isClosed = true
  }
  socket.on('end', onClose)
  socket.on('close', onClose)
  if (socket.connecting) await once(socket, 'connect')
  const send = (...sent: readonly Buffer[]): void => void socket.write(Buffer.concat(sent))
  send(Buffer.from(PREFACE), settings)
  return {
    socket,
    send,
    frames,
    stream,
    async response(id) {
      const received = stream(id)
      await until(() => received.isEnded || received.resetCode !== undefined || isClosed)
      return received
    },
    goaway: () => goaway,
    isClosed: () => isClosed,
  }
}

/** Half-open, so that data can be sent after the server has ended its side. */
function connectTo(origin: string): Socket {
  if (origin.startsWith('unix:')) return connect({ path: origin.slice('unix:'.length) })
  const { hostname, port } = new URL(origin)
  return connect({ port: Number(port), host: hostname, allowHalfOpen: true, noDelay: true })
}

/** The value of a field in a header section. */
export function valueOf(section: readonly string[] | undefined, name: string): string | undefined {
  const at = section?.findIndex((text, i) => i % 2 === 0 && text === name) ?? -1
  return at === -1 ? undefined : section?.[at + 1]
}
