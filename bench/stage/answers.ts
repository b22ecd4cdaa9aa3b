import { grpcMessage } from './grpc-message.ts'

/** What the upstream answers; the probe compares every byte of it. */
export const ANSWERS = {
  small: {
    path: 'small',
    type: 'application/json',
    // 100 bytes.
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

export type Answer = keyof typeof ANSWERS

/** Bytes of which no two neighbouring blocks are alike, so that a missing or doubled one is noticed. */
export function patternOf(length: number): Buffer {
  const bytes = Buffer.alloc(length)
  let state = 1
  for (let index = 0; index < length; index += 1) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    // Letters, so that the same text can stand in a script of wrk's.
    bytes[index] = 97 + ((state >>> 24) % 26)
  }
  return bytes
}

/** Below this path, the upstream answers with a description of what it received. */
export const PROBE_PATH = 'probe'
/** Below this one, it reads a body of that many bytes, and answers when it has all of it. */
export const UPLOAD_PATH = 'upload'
