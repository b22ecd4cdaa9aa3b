import { copyOf } from '../lib/detach-after-write.ts'

/**
 * The content within `chunk` as one piece; `parts` alternates where each part begins and ends. May move
 * octets within `chunk`.
 */
export function joinContent(chunk: Buffer, parts: readonly number[]): Buffer {
  const [begin, end] = joinParts(chunk, parts)
  const content = begin === 0 && end === chunk.length ? chunk : chunk.subarray(begin, end)
  return parts.length > 2 ? compact(content) : content
}

/** Moves the parts towards the end of the chunk, so that its memory can still be released (`detach-after-write.ts`). */
function joinParts(chunk: Buffer, parts: readonly number[]): readonly [number, number] {
  const end = parts.at(-1) ?? 0
  let begin = end
  for (let i = parts.length - 2; i >= 0; i -= 2) {
    const partBegin = parts[i] ?? 0
    const partEnd = parts[i + 1] ?? 0
    begin -= partEnd - partBegin
    if (begin !== partBegin) chunk.copyWithin(begin, partBegin, partEnd)
  }
  return [begin, end]
}

/** Copies content that is less than half of a read, which it would otherwise keep in memory. */
function compact(content: Buffer): Buffer {
  return content.length * 2 < content.buffer.byteLength ? copyOf(content) : content
}
