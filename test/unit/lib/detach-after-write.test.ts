import { expect, test } from 'vitest'
import { copyOf, detachAfterWrite, markShared } from '../../../src/lib/detach-after-write.ts'

const LARGE = 8 * 1024

test('the memory of a large chunk is detached after it has been written', () => {
  const chunk = Buffer.alloc(LARGE)
  const { buffer } = chunk
  detachAfterWrite(chunk)?.()
  expect(buffer.byteLength).toBe(0)
})

test('the memory of a chunk at the end of a read is detached, the bytes before it included', () => {
  const read = Buffer.alloc(Buffer.poolSize)
  detachAfterWrite(read.subarray(10))?.()
  expect(read.buffer.byteLength).toBe(0)
})

test('the memory of a chunk with bytes after it in the same read is not detached', () => {
  const read = Buffer.alloc(LARGE + 10, 'x')
  detachAfterWrite(read.subarray(0, LARGE))?.()
  expect(read.toString('latin1', LARGE)).toBe('xxxxxxxxxx')
})

test('the memory of a small chunk, which may be part of a pool, is not detached', () => {
  expect(detachAfterWrite(Buffer.alloc(LARGE - 1))).toBeUndefined()
  expect(detachAfterWrite(Buffer.from('small'))).toBeUndefined()
})

test('memory of the size of the buffer pool of Node is not detached', () => {
  const memory = new ArrayBuffer(Buffer.poolSize)
  const last = Buffer.from(memory, Buffer.poolSize - LARGE, LARGE)
  detachAfterWrite(last)?.()
  expect(memory.byteLength).toBe(Buffer.poolSize)
  expect(Buffer.allocUnsafe(Buffer.poolSize / 2 - 1).buffer.byteLength).toBeGreaterThanOrEqual(
    Buffer.poolSize,
  )
  const unpooled = Buffer.allocUnsafe(Buffer.poolSize / 2)
  expect(unpooled.buffer.byteLength).toBe(unpooled.length)
})

test('a copy of a large chunk does not share its memory', () => {
  const copy = copyOf(Buffer.alloc(LARGE, 'x'))
  expect(copy.toString()).toBe('x'.repeat(LARGE))
  expect(copy.buffer.byteLength).toBe(LARGE)
  expect(copyOf(Buffer.from('small')).toString()).toBe('small')
})

test('memory that is shared between streams is not detached', () => {
  const read = Buffer.alloc(2 * Buffer.poolSize, 'x')
  const last = read.subarray(Buffer.poolSize)
  markShared(last)
  detachAfterWrite(last)?.()
  expect(read.toString('latin1', 0, 3)).toBe('xxx')
})
