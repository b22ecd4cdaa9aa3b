import { createServer, type Socket } from 'node:net'
import { onTestFinished } from 'vitest'
import { createFieldDecoder } from './hpack.ts'
import { encodeFrame, FLAG, type Frame, FRAME, PREFACE, settingsFrame } from './http2-frames.ts'
import { portOf } from './servers.ts'
import { once } from 'node:events'

export type FrameConnection = {
  readonly socket: Socket
  readonly frames: readonly Frame[]
  readonly send: (...frames: readonly Buffer[]) => void
}

export type FrameUpstream = {
  readonly origin: string
  readonly connections: readonly FrameConnection[]
}

type FrameUpstreamOptions = {
  /** What follows the preface; the default is an empty SETTINGS frame. */
  readonly greeting?: readonly Buffer[]
  /** Whether SETTINGS and PING are acknowledged. */
  readonly acknowledges?: boolean
  readonly onFrame?: (frame: Frame, connection: FrameConnection) => void
}

/**
 * A raw HTTP/2 server: the frames that it sends are not verified. `respond` is called for each header
 * section of a request, with names and values alternating.
 */
export async function startFrameUpstream(
  respond: (streamId: number, connection: FrameConnection, fields: readonly string[]) => void,
  { greeting = [settingsFrame()], acknowledges = true, onFrame }: FrameUpstreamOptions = {},
): Promise<FrameUpstream> {
  const connections: FrameConnection[] = []
  const server = createServer({ noDelay: true }, (socket) => {
    onTestFinished(() => void socket.destroy())
    socket.on('error', () => {})
    const frames: Frame[] = []
    const decode = createFieldDecoder()
    const send = (...sent: readonly Buffer[]): void => void socket.write(Buffer.concat(sent))
    const connection = { socket, frames, send }
    connections.push(connection)
    let buffered = Buffer.alloc(0)
    let hasPreface = false
    let block = Buffer.alloc(0)
    const receive = (frame: Frame): void => {
      const { type, flags, streamId, payload } = frame
      frames.push(frame)
      onFrame?.(frame, connection)
      if (type === FRAME.HEADERS || type === FRAME.CONTINUATION) {
        block = Buffer.concat([block, payload])
        if ((flags & FLAG.END_HEADERS) === 0) return
        const fields = decode(block)
        block = Buffer.alloc(0)
        respond(streamId, connection, fields)
      } else if ((type === FRAME.SETTINGS || type === FRAME.PING) && (flags & FLAG.ACK) === 0) {
        const content = type === FRAME.PING ? payload : Buffer.alloc(0)
        if (acknowledges) send(encodeFrame(type, FLAG.ACK, 0, content))
      }
    }
    send(...greeting)
    socket.on('data', (chunk: Buffer) => {
      buffered = Buffer.concat([buffered, chunk])
      if (!hasPreface && buffered.length >= PREFACE.length) {
        hasPreface = true
        buffered = buffered.subarray(PREFACE.length)
      }
      if (!hasPreface) return
      while (buffered.length >= 9) {
        const end = 9 + buffered.readUIntBE(0, 3)
        if (buffered.length < end) return
        const frame = {
          type: buffered.readUInt8(3),
          flags: buffered.readUInt8(4),
          streamId: buffered.readUInt32BE(5),
          payload: buffered.subarray(9, end),
        }
        buffered = buffered.subarray(end)
        receive(frame)
      }
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => void server.close())
  return { origin: `http://127.0.0.1:${portOf(server)}`, connections }
}
