import { grpcMessage } from './grpc-message.ts'

/** The responses of the upstream; the probe compares every byte. */
export const RESPONSES = {
  small: {
    path: 'small',
    type: 'application/json',
    // Exactly 100 bytes.
    body: Buffer.from(
      '{"orders":[{"id":1,"item":"abcdefghijklmnopqrstuvwxyz"},{"id":2,"item":"abcdefghijklmnopqrstuvwx"}]}',
    ),
    messages: 0,
  },
  mebibyte: {
    path: 'mebibyte',
    type: 'application/octet-stream',
    body: patternOf(1024 * 1024),
    messages: 0,
  },
  unary: {
    path: 'unary',
    type: 'application/grpc',
    body: grpcMessage(patternOf(100)),
    messages: 1,
  },
  stream: {
    path: 'stream',
    type: 'application/grpc',
    body: Buffer.concat(Array.from({ length: 1000 }, () => grpcMessage(patternOf(1024)))),
    messages: 1000,
  },
} as const

export type ResponseKind = keyof typeof RESPONSES

/** Pseudorandom bytes, so that a missing or duplicated block is detected. */
export function patternOf(length: number): Buffer {
  const bytes = Buffer.alloc(length)
  let state = 1
  for (let index = 0; index < length; index += 1) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    // Letters, so that the text needs no escaping in a wrk script.
    bytes[index] = 97 + ((state >>> 24) % 26)
  }
  return bytes
}

/** Below this path, the upstream responds with a description of the received request. */
export const PROBE_PATH = 'probe'
/** Below this path, the upstream reads a body of the given length completely, then responds. */
export const UPLOAD_PATH = 'upload'
