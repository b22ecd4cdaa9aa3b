import { FLAG, type Frame, FRAME, openFrameClient } from '../../helpers/http2-frames.ts'
import { until } from '../../helpers/wait.ts'
import type { WireClient } from '../wire-client.ts'
import { createFlowControl, initialWindowOf, openWindows } from './flow-control.ts'
import { createMessageWriter } from './message-frames.ts'
import { createMessageText } from './message-text.ts'

const WAIT_LIMIT_MS = 4_000

const nothing = (): void => {}

/** A client that sends raw HTTP/2 frames: each request is a stream, and responses are read in order. */
export async function connectFrameWireClient(proxyUrl: string): Promise<WireClient> {
  const client = await openFrameClient(proxyUrl, Buffer.concat(openWindows()))
  const streams: { readonly id: number; readonly text: ReturnType<typeof createMessageText> }[] = []
  const flow = createFlowControl(client.send)
  const writer = createMessageWriter(flow, { of: 'requests', isEnded: false }, (line) => {
    const id = 2 * streams.length + 1
    streams.push({ id, text: createMessageText('responses', line.startsWith('HEAD ')) })
    return id
  })
  let readFrames = 0
  const sectionsRead = new Map<number, number>()
  let checkCondition = nothing

  const receive = ({ type, flags, streamId, payload }: Frame): void => {
    const text = streams.find(({ id }) => id === streamId)?.text
    const endStream = (flags & FLAG.END_STREAM) !== 0
    if (type === FRAME.HEADERS || type === FRAME.CONTINUATION) {
      if (type === FRAME.HEADERS) endsStream = endStream
      if ((flags & FLAG.END_HEADERS) === 0) return
      const index = sectionsRead.get(streamId) ?? 0
      sectionsRead.set(streamId, index + 1)
      text?.onSection(client.stream(streamId).sections[index] ?? [], endsStream)
    } else if (type === FRAME.DATA) text?.onData(payload, endStream)
    else if (type === FRAME.RST_STREAM) flow.onReset(streamId)
    else if (type === FRAME.WINDOW_UPDATE) flow.onWindowUpdate(streamId, payload.readUInt32BE())
    else if (type === FRAME.SETTINGS) {
      const size = initialWindowOf({ type, flags, streamId, payload })
      if (size !== undefined) flow.onInitialWindow(size)
    }
  }
  /** Whether the header section that is being received ends its stream. */
  let endsStream = false
  const receiveAll = (): void => {
    for (; readFrames < client.frames.length; readFrames += 1) {
      const frame = client.frames[readFrames]
      if (frame !== undefined) receive(frame)
    }
  }
  const onProgress = (): void => {
    receiveAll()
    checkCondition()
  }
  client.socket.on('data', onProgress)
  client.socket.on('end', onProgress)
  client.socket.on('close', onProgress)
  // The proxy opens its windows first.
  await until(() => {
    receiveAll()
    return client.frames.some(({ type }) => type === FRAME.WINDOW_UPDATE) || client.isClosed()
  })

  const isReset = ({ id, text }: (typeof streams)[number]): boolean =>
    !text.isComplete() && client.stream(id).resetCode !== undefined
  const isClosed = (): boolean => {
    const last = streams.at(-1)
    return client.isClosed() || (last !== undefined && isReset(last))
  }
  return {
    isMultiplexed: true,
    async write(bytes) {
      writer.write(bytes)
    },
    received() {
      const inOrder = streams.findIndex((stream) => !stream.text.isComplete() && !isReset(stream))
      const started = inOrder === -1 ? streams : streams.slice(0, inOrder + 1)
      return started.map(({ text }) => text.text()).join('')
    },
    startNextRequest: writer.startNextRequest,
    isClosed,
    wasReset: () => !client.isClosed() && isClosed() && streams.at(-1)?.text.text() === '',
    async waitUntil(condition) {
      if (condition()) return true
      if (isClosed()) return false
      const { promise, resolve } = Promise.withResolvers<boolean>()
      checkCondition = () => {
        if (condition()) resolve(true)
        else if (isClosed()) resolve(false)
      }
      const timer = setTimeout(() => resolve(false), WAIT_LIMIT_MS)
      try {
        return await promise
      } finally {
        clearTimeout(timer)
        checkCondition = nothing
      }
    },
    pause: () => void client.socket.pause(),
    resume: () => void client.socket.resume(),
    close: () => void client.socket.destroy(),
  }
}
