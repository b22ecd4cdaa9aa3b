import {
  dataFrame,
  FLAG,
  type Frame,
  settingsFrame,
  windowUpdateFrame,
} from '../../helpers/http2-frames.ts'

export type FlowControl = {
  readonly sendData: (streamId: number, content: Buffer, isLast: boolean) => void
  /** Sends the frames of a section, or a reset, after all content of the stream. */
  readonly sendSection: (streamId: number, frame: Buffer) => void
  /** Called for each WINDOW_UPDATE frame. */
  readonly onWindowUpdate: (streamId: number, increment: number) => void
  /** RFC 9113 section 6.9.2: called with the initial window of each SETTINGS frame. */
  readonly onInitialWindow: (size: number) => void
  readonly onReset: (streamId: number) => void
}

type Entry = { frame?: Buffer; content?: Buffer; readonly isLast: boolean }

const MAX_FRAME_BYTES = 16_384

/** Sends content within the flow-control windows (RFC 9113 section 5.2), and queues the rest in order. */
export function createFlowControl(send: (frame: Buffer) => void): FlowControl {
  let connectionWindow = 65_535
  let initialWindow = 65_535
  const windows = new Map<number, number>()
  const queues = new Map<number, Entry[]>()

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
  const add = (streamId: number, entry: Entry): void => {
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
    onWindowUpdate(streamId: number, increment: number) {
      if (streamId === 0) connectionWindow += increment
      else windows.set(streamId, (windows.get(streamId) ?? initialWindow) + increment)
      flushAll()
    },
    onInitialWindow(size: number) {
      for (const [id, window] of windows) windows.set(id, window + size - initialWindow)
      initialWindow = size
      flushAll()
    },
    onReset: (streamId: number) => void queues.delete(streamId),
  }
}

const MAX_WINDOW_BYTES = 2 ** 31 - 1
const INITIAL_WINDOW_SIZE = 4

/** SETTINGS and WINDOW_UPDATE frames that open the windows as far as possible. */
export function openWindows(): Buffer[] {
  return [
    settingsFrame([[INITIAL_WINDOW_SIZE, MAX_WINDOW_BYTES]]),
    windowUpdateFrame(0, MAX_WINDOW_BYTES - 65_535),
  ]
}

/** The initial window size of a SETTINGS frame, if it has one. */
export function initialWindowOf({ payload }: Frame): number | undefined {
  for (let at = 0; at < payload.length; at += 6) {
    if (payload.readUInt16BE(at) === INITIAL_WINDOW_SIZE) return payload.readUInt32BE(at + 2)
  }
  return undefined
}
