import { encodeFields } from '../../helpers/hpack.ts'
import { dataFrame, encodeFrame, FLAG, FRAME } from '../../helpers/http2-frames.ts'
import {
  nameOf,
  type Reader,
  readMessage,
  type ReadMessage,
  valueOf,
  valuesOf,
} from '../read-message.ts'

export type FrameSender = {
  /** `content` is subject to flow control. */
  readonly sendData: (streamId: number, content: Buffer, isLast: boolean) => void
  /** Sent behind all content of the stream. */
  readonly sendSection: (streamId: number, frame: Buffer) => void
}

export type MessageWriter = {
  /** Sends as frames what these octets of HTTP/1.1 add; returns how many messages are complete. */
  readonly write: (bytes: string) => number
  /** Whether a message has begun and is not complete. */
  readonly isIncomplete: () => boolean
  /** Leaves a message incomplete, so that the next octets begin another. */
  readonly startOver: () => void
}

/**
 * Sends messages that are written as HTTP/1.1 as frames of HTTP/2 (RFC 9113 section 8): each field as it
 * is, with its name in lower case, but those that frame the body. `Host` becomes `:authority`.
 */
export function createMessageWriter(
  { sendData, sendSection }: FrameSender,
  reader: Reader,
  /** Returns the stream for a message whose head is complete. */
  streamFor: (line: string) => number,
): MessageWriter {
  let unread = ''
  let current: number | undefined
  let sentBytes = 0

  const sendHead = (message: ReadMessage, isWhole: boolean): void => {
    const streamId = streamFor(message.line)
    current = streamId
    const isInterim = /^HTTP\/1\.1 1/.test(message.line)
    const hasContent = !isWhole || message.body !== '' || message.trailers.length > 0
    const endsHere = !isInterim && (!hasContent || message.framing === 'none')
    sendSection(streamId, sectionFrames(streamId, headFields(message), endsHere))
  }

  return {
    write(bytes) {
      unread += bytes
      for (let complete = 0; ; complete += 1) {
        const reading = readMessage(unread, reader)
        if (reading.state === 'malformed') throw new Error(`no HTTP/1.1: ${reading.why}`)
        const { message } = reading
        if (message === undefined) return complete
        const isWhole = reading.state === 'whole'
        const isFirst = current === undefined
        if (isFirst) sendHead(message, isWhole)
        const streamId = current ?? 0
        const { body, trailers, framing } = message
        const isInterim = /^HTTP\/1\.1 1/.test(message.line)
        const isOpen =
          !isInterim &&
          framing !== 'none' &&
          !(isFirst && isWhole && body + trailers.join('') === '')
        const content = Buffer.from(body.slice(sentBytes), 'latin1')
        sentBytes = body.length
        if (isOpen) {
          const isLast = isWhole && trailers.length === 0
          if (content.length > 0 || isLast) sendData(streamId, content, isLast)
          if (isWhole && trailers.length > 0)
            sendSection(streamId, sectionFrames(streamId, trailers.flatMap(nameAndValue), true))
        }
        if (!isWhole) return complete
        unread = reading.rest
        current = undefined
        sentBytes = 0
      }
    },
    isIncomplete: () => current !== undefined || unread !== '',
    startOver() {
      unread = ''
      current = undefined
      sentBytes = 0
    },
  }
}

/** A HEADERS frame, and CONTINUATION frames for what exceeds the maximum frame size. */
function sectionFrames(streamId: number, fields: readonly string[], endStream: boolean): Buffer {
  const block = encodeFields(fields)
  const frames: Buffer[] = []
  for (let at = 0; at === 0 || at < block.length; at += MAX_FRAME_BYTES) {
    const type = at === 0 ? FRAME.HEADERS : FRAME.CONTINUATION
    const endHeaders = at + MAX_FRAME_BYTES >= block.length ? FLAG.END_HEADERS : 0
    const flags = endHeaders | (at === 0 && endStream ? FLAG.END_STREAM : 0)
    frames.push(encodeFrame(type, flags, streamId, block.subarray(at, at + MAX_FRAME_BYTES)))
  }
  return Buffer.concat(frames)
}

function nameAndValue(field: string): [string, string] {
  return [nameOf(field), valueOf(field)]
}

/** RFC 9113 sections 8.3.1, 8.3.2 and 8.5. */
function headFields({ line, fields }: ReadMessage): string[] {
  const regular = fields
    .filter((field) => !['host', 'transfer-encoding'].includes(nameOf(field)))
    .flatMap(nameAndValue)
  const [first = '', second = ''] = line.split(' ')
  if (first.startsWith('HTTP/')) return [':status', second, ...regular]
  const [host = ''] = valuesOf(fields, 'host')
  if (first === 'CONNECT') return [':method', first, ':authority', second, ...regular]
  const pseudo = [':method', first, ':scheme', 'http', ':authority', host, ':path', second]
  return [...pseudo, ...regular]
}

/** Sends content as flow control permits (RFC 9113 section 5.2); what is held back keeps its order. */
export function createFlowControl(send: (frame: Buffer) => void) {
  let connectionWindow = 65_535
  let initialWindow = 65_535
  const windows = new Map<number, number>()
  const queues = new Map<number, { frame?: Buffer; content?: Buffer; isLast: boolean }[]>()

  const flush = (streamId: number): void => {
    const queue = queues.get(streamId) ?? []
    for (let next = queue[0]; next !== undefined; next = queue[0]) {
      if (next.frame !== undefined) send(next.frame)
      else {
        const content = next.content ?? Buffer.alloc(0)
        const window = windows.get(streamId) ?? initialWindow
        const size = Math.min(content.length, window, connectionWindow, MAX_FRAME_BYTES)
        if (size <= 0 && content.length > 0) return
        windows.set(streamId, window - size)
        connectionWindow -= size
        const isEnd = size === content.length
        send(
          dataFrame(
            streamId,
            content.subarray(0, size),
            next.isLast && isEnd ? FLAG.END_STREAM : 0,
          ),
        )
        if (!isEnd) {
          next.content = content.subarray(size)
          continue
        }
      }
      queue.shift()
    }
    queues.delete(streamId)
  }
  const add = (
    streamId: number,
    entry: { frame?: Buffer; content?: Buffer; isLast: boolean },
  ): void => {
    const queue = queues.get(streamId)
    if (queue === undefined) queues.set(streamId, [entry])
    else queue.push(entry)
    flush(streamId)
  }
  const flushAll = (): void => {
    for (const streamId of queues.keys()) flush(streamId)
  }
  return {
    sendData: (streamId: number, content: Buffer, isLast: boolean) =>
      add(streamId, { content, isLast }),
    sendSection: (streamId: number, frame: Buffer) => add(streamId, { frame, isLast: false }),
    /** To be called for each WINDOW_UPDATE frame. */
    onWindowUpdate(streamId: number, increment: number) {
      if (streamId === 0) connectionWindow += increment
      else windows.set(streamId, (windows.get(streamId) ?? initialWindow) + increment)
      flushAll()
    },
    /** RFC 9113 section 6.9.2: to be called with the initial window of each SETTINGS frame. */
    onInitialWindow(size: number) {
      for (const [id, window] of windows) windows.set(id, window + size - initialWindow)
      initialWindow = size
      flushAll()
    },
    onReset: (streamId: number) => void queues.delete(streamId),
  }
}

const MAX_FRAME_BYTES = 16_384
