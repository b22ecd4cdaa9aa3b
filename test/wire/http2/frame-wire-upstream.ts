import { startFrameUpstream, type FrameConnection } from '../../helpers/frame-upstream.ts'
import {
  encodeFrame,
  ERROR,
  FLAG,
  type Frame,
  FRAME,
  resetFrame,
} from '../../helpers/http2-frames.ts'
import { type Reading, readMessage, type ReadMessage } from '../read-message.ts'
import { OK_RESPONSE, type UpstreamScript } from '../wire-case.ts'
import { PROBE_RESPONSE, PROBE_TARGET, type WireUpstream } from '../wire-upstream.ts'
import { createFlowControl, initialWindowOf, openWindows } from './flow-control.ts'
import { createMessageWriter } from './message-frames.ts'
import { createMessageText, type MessageText } from './message-text.ts'

type Stream = { readonly id: number; readonly text: MessageText; hasResponse: boolean }

type Connection = {
  readonly flow: ReturnType<typeof createFlowControl>
  readonly streams: Map<number, Stream>
  /** Whether the header section that is being received ends its stream. */
  endsStream: boolean
}

/** An upstream that sends raw HTTP/2 frames, with the same script as the HTTP/1.1 upstream. */
export async function startFrameWireUpstream(script: UpstreamScript): Promise<WireUpstream> {
  const requests: ReadMessage[] = []
  const connections = new Map<FrameConnection, Connection>()
  const used = new Set<Connection>()
  const responded = Promise.withResolvers<void>()
  let release: (() => void) | undefined
  let receivedBeforeResponse = false

  const connectionOf = (key: FrameConnection): Connection => {
    const known = connections.get(key)
    if (known !== undefined) return known
    const flow = createFlowControl((frame) => key.send(frame))
    const created: Connection = { flow, streams: new Map(), endsStream: false }
    connections.set(key, created)
    return created
  }

  const send = (bytes: string, closes: boolean, stream: Stream, key: FrameConnection): void => {
    const { flow } = connectionOf(key)
    const toHead = lineOf(stream).startsWith('HEAD ')
    const writer = createMessageWriter(
      flow,
      { of: 'responses', toHead, isEnded: closes },
      () => stream.id,
    )
    writer.write(bytes)
    if (closes && writer.isIncomplete()) {
      flow.sendSection(stream.id, resetFrame(stream.id, ERROR.INTERNAL_ERROR))
    } else if (closes) {
      const lastStreamId = Buffer.alloc(8)
      lastStreamId.writeUInt32BE(stream.id)
      flow.sendSection(stream.id, encodeFrame(FRAME.GOAWAY, 0, 0, lastStreamId))
    }
  }
  const respond = (stream: Stream, key: FrameConnection): void => {
    stream.hasResponse = true
    if (isProbe(stream)) {
      receivedBeforeResponse ||= release !== undefined && requests.length > 1
      send(PROBE_RESPONSE, false, stream, key)
      release?.()
      release = undefined
      return
    }
    const target = lineOf(stream).split(' ')[1] ?? ''
    const { response = OK_RESPONSE, closes = false } = script
    const bytes = typeof response === 'string' ? response : (response[target] ?? OK_RESPONSE)
    const sendResponse = (): void => {
      send(bytes, closes, stream, key)
      responded.resolve()
    }
    if (target === script.delayedTarget) release = sendResponse
    else sendResponse()
  }
  const onProgress = (stream: Stream, key: FrameConnection): void => {
    const read = reading(stream)
    const isComplete = read.state === 'complete' && read.rest === '' && stream.text.isComplete()
    if (isComplete && !isProbe(stream)) {
      requests.push(read.message)
      used.add(connectionOf(key))
    }
    if ((isComplete || script.respondsEarly === true) && !stream.hasResponse) respond(stream, key)
  }

  const onFrame = (frame: Frame, key: FrameConnection): void => {
    const { type, flags, streamId, payload } = frame
    const connection = connectionOf(key)
    const stream = connection.streams.get(streamId)
    const endStream = (flags & FLAG.END_STREAM) !== 0
    if (type === FRAME.HEADERS) connection.endsStream = endStream
    else if (type === FRAME.DATA && stream !== undefined) {
      stream.text.onData(payload, endStream)
      onProgress(stream, key)
    } else if (type === FRAME.RST_STREAM) connection.flow.onReset(streamId)
    else if (type === FRAME.WINDOW_UPDATE) {
      connection.flow.onWindowUpdate(streamId, payload.readUInt32BE())
    } else if (type === FRAME.SETTINGS) {
      const size = initialWindowOf(frame)
      if (size !== undefined) connection.flow.onInitialWindow(size)
    }
  }
  const { origin } = await startFrameUpstream(
    (id, key, section) => {
      const { streams, endsStream } = connectionOf(key)
      const stream = streams.get(id) ?? {
        id,
        text: createMessageText('requests'),
        hasResponse: false,
      }
      streams.set(id, stream)
      stream.text.onSection(section, endsStream)
      onProgress(stream, key)
    },
    { greeting: openWindows(), onFrame },
  )

  return {
    origin,
    responded: responded.promise,
    requests,
    sendUnsolicited: unsupported,
    get reconnected() {
      return unsupported()
    },
    connectionCount: () => used.size,
    receivedBeforeResponse: () => receivedBeforeResponse,
    incompleteInput: () =>
      [...connections.values()]
        .flatMap(({ streams }) => [...streams.values()])
        .filter((stream) => !stream.text.isComplete() || reading(stream).state !== 'complete')
        .map((stream) => readMessage(stream.text.text(), { of: 'requests', isEnded: true })),
  }
}

function reading({ text }: Stream): Reading {
  return readMessage(text.text(), { of: 'requests', isEnded: false })
}

function lineOf(stream: Stream): string {
  const read = reading(stream)
  return read.state === 'malformed' ? '' : (read.message?.line ?? '')
}

function isProbe(stream: Stream): boolean {
  return lineOf(stream).split(' ')[1] === PROBE_TARGET
}

async function unsupported(): Promise<void> {
  throw new Error('this upstream sends only responses')
}
