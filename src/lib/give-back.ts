/** From here on it is worth it. */
const LARGE_BYTES = 8 * 1024

/** A copy that shares its memory with nothing else, if it is large. */
export function copyOf(bytes: Buffer): Buffer {
  if (bytes.length < LARGE_BYTES) return Buffer.from(bytes)
  const copy = Buffer.allocUnsafeSlow(bytes.length)
  bytes.copy(copy)
  return copy
}

const shared = new WeakSet<ArrayBufferLike>()

/**
 * Marks a chunk of an HTTP/2 stream: node:http2 cuts the chunks of several streams from one buffer, so
 * its memory is left to the garbage collector.
 */
export function shareMemory(chunk: Buffer): void {
  if (chunk.length >= LARGE_BYTES) shared.add(chunk.buffer)
}

/** What is to be called once `chunk` is written, by somebody who knows that nobody else uses it. */
export function givingBack(chunk: Buffer): (() => void) | undefined {
  return chunk.length < LARGE_BYTES ? undefined : () => giveBack(chunk)
}

/**
 * Gives the memory of `chunk` back to the system, with what is before it. Does nothing where
 * something comes behind it. To leave it to the collector costs a third of what a large body costs
 * altogether: memory outside of the heap makes it look through the whole heap time and again
 * (docs/performance.md).
 */
function giveBack({ buffer, byteOffset, length }: Buffer): void {
  if (shared.has(buffer)) return
  const isLast = byteOffset + length === buffer.byteLength
  // Node cuts small buffers from a large one, which are others' too: each is less than half of it.
  const isOurs = byteOffset === 0 || length >= Buffer.poolSize / 2
  if (buffer instanceof ArrayBuffer && isLast && isOurs) buffer.transfer(0)
}
