/** Detaching smaller buffers costs more than it saves. */
const LARGE_BYTES = 8 * 1024

/** A copy; if it is large, no other buffer shares its memory. */
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
export function markShared(chunk: Buffer): void {
  if (chunk.length >= LARGE_BYTES) shared.add(chunk.buffer)
}

/** Returns the callback for a write of `chunk`, which nothing else may use; undefined for a small one. */
export function detachAfterWrite(chunk: Buffer): (() => void) | undefined {
  return chunk.length < LARGE_BYTES ? undefined : () => detach(chunk)
}

/**
 * Frees the memory of `chunk`, unless other data follows in the same buffer. Left to the garbage collector,
 * external memory triggers full collections, a third of the CPU time of a large body (docs/performance.md).
 */
function detach({ buffer, byteOffset, length }: Buffer): void {
  if (shared.has(buffer)) return
  const isLast = byteOffset + length === buffer.byteLength
  // Node allocates small buffers, up to half of the pool size, from a shared pool.
  const isUnpooled = byteOffset === 0 || length >= Buffer.poolSize / 2
  if (buffer instanceof ArrayBuffer && isLast && isUnpooled) buffer.transfer(0)
}
