/** From here on it is worth it. */
const LARGE_BYTES = 16 * 1024

/** What is to be called once `chunk` is written, by somebody who knows that nobody else uses it. */
export function givingBack(chunk: Buffer): (() => void) | undefined {
  return chunk.length < LARGE_BYTES ? undefined : () => giveBack(chunk)
}

/**
 * Gives the memory of `chunk` back to the system, with whatever is before it. Does nothing where
 * something comes behind it. To leave it to the collector costs a third of what a large body costs
 * altogether: memory outside of the heap makes it look through the whole heap time and again
 * (docs/performance.md).
 */
function giveBack({ buffer, byteOffset, length }: Buffer): void {
  if (buffer instanceof ArrayBuffer && byteOffset + length === buffer.byteLength) buffer.transfer(0)
}
