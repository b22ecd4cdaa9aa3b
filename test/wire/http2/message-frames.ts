import { encodeFields } from '../../helpers/hpack.ts'
import { encodeFrame, FLAG, FRAME } from '../../helpers/http2-frames.ts'
import type { FlowControl } from './flow-control.ts'
import {
  nameOf,
  type Reader,
  readMessage,
  type ReadMessage,
  valueOf,
  valuesOf,
} from '../read-message.ts'

export type MessageWriter = {
  /** Sends the messages in these HTTP/1.1 bytes as frames; returns the number of complete messages. */
  readonly write: (bytes: string) => number
  /** Whether a message has begun and is not complete. */
  readonly isIncomplete: () => boolean
  /** Leaves the current message incomplete: the next bytes begin another one. */
  readonly startNextRequest: () => void
}

/**
 * Translates HTTP/1.1 messages to HTTP/2 frames (RFC 9113 section 8): all fields except those that frame the
 * body, unchanged, with names in lower case. `Host` becomes `:authority`.
 */
export function createMessageWriter(
  { sendData, sendSection }: Pick<FlowControl, 'sendData' | 'sendSection'>,
  reader: Reader,
  /** Returns the stream for a message whose head is complete. */
  streamFor: (line: string) => number,
): MessageWriter {
  let unread = ''
  let current: number | undefined
  let sentBytes = 0

  const sendHead = (message: ReadMessage, isComplete: boolean): void => {
    const streamId = streamFor(message.line)
    current = streamId
    const hasContent = !isComplete || message.body !== '' || message.trailers.length > 0
    const endsHere = !isInterim(message) && (!hasContent || message.framing === 'none')
    sendSection(streamId, sectionFrames(streamId, headFields(message), endsHere))
  }

  return {
    write(bytes) {
      unread += bytes
      for (let complete = 0; ; complete += 1) {
        const reading = readMessage(unread, reader)
        if (reading.state === 'malformed') throw new Error(`not HTTP/1.1: ${reading.why}`)
        const { message } = reading
        if (message === undefined) return complete
        const isComplete = reading.state === 'complete'
        const isFirst = current === undefined
        if (isFirst) sendHead(message, isComplete)
        const streamId = current ?? 0
        const { body, trailers, framing } = message
        const isOpen =
          !isInterim(message) &&
          framing !== 'none' &&
          !(isFirst && isComplete && body + trailers.join('') === '')
        const content = Buffer.from(body.slice(sentBytes), 'latin1')
        sentBytes = body.length
        if (isOpen) {
          const isLast = isComplete && trailers.length === 0
          if (content.length > 0 || isLast) sendData(streamId, content, isLast)
          if (isComplete && trailers.length > 0)
            sendSection(streamId, sectionFrames(streamId, trailers.flatMap(nameAndValue), true))
        }
        if (!isComplete) return complete
        unread = reading.rest
        current = undefined
        sentBytes = 0
      }
    },
    isIncomplete: () => current !== undefined || unread !== '',
    startNextRequest() {
      unread = ''
      current = undefined
      sentBytes = 0
    },
  }
}

/** RFC 9113 section 6.5.2: the smallest maximum frame size. */
const MAX_FRAME_BYTES = 16_384

/** A HEADERS frame, and CONTINUATION frames if the section exceeds the maximum frame size. */
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

function isInterim({ line }: ReadMessage): boolean {
  return line.startsWith('HTTP/1.1 1')
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
