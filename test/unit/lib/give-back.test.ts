import { expect, test } from 'vitest'
import { copyOf, givingBack, shareMemory } from '../../../src/lib/give-back.ts'

const LARGE = 8 * 1024

test('the memory of a chunk is free when it has been written', () => {
  const chunk = Buffer.alloc(LARGE)
  const { buffer } = chunk
  givingBack(chunk)?.()
  expect(buffer.byteLength).toBe(0)
})

test('with what came before it in the same read', () => {
  const read = Buffer.alloc(Buffer.poolSize)
  givingBack(read.subarray(10))?.()
  expect(read.buffer.byteLength).toBe(0)
})

test('but not where something comes behind it', () => {
  const read = Buffer.alloc(LARGE + 10, 'x')
  givingBack(read.subarray(0, LARGE))?.()
  expect(read.toString('latin1', LARGE)).toBe('xxxxxxxxxx')
})

test('for a small one it is not worth it, and it may lie in memory that others share', () => {
  expect(givingBack(Buffer.alloc(LARGE - 1))).toBeUndefined()
  expect(givingBack(Buffer.from('small'))).toBeUndefined()
})

test('nor is that given back from which Node cuts small buffers', () => {
  const memory = new ArrayBuffer(Buffer.poolSize)
  const last = Buffer.from(memory, Buffer.poolSize - LARGE, LARGE)
  givingBack(last)?.()
  expect(memory.byteLength).toBe(Buffer.poolSize)
  expect(Buffer.allocUnsafe(Buffer.poolSize / 2 - 1).buffer.byteLength).toBeGreaterThanOrEqual(
    Buffer.poolSize,
  )
  const tooLargeForIt = Buffer.allocUnsafe(Buffer.poolSize / 2)
  expect(tooLargeForIt.buffer.byteLength).toBe(tooLargeForIt.length)
})

test('a copy has all of its memory for itself, if it is large', () => {
  const copy = copyOf(Buffer.alloc(LARGE, 'x'))
  expect(copy.toString()).toBe('x'.repeat(LARGE))
  expect(copy.buffer.byteLength).toBe(LARGE)
  expect(copyOf(Buffer.from('small')).toString()).toBe('small')
})

test('the memory that a chunk shares with those of other streams is not detached', () => {
  const read = Buffer.alloc(2 * Buffer.poolSize, 'x')
  const last = read.subarray(Buffer.poolSize)
  shareMemory(last)
  givingBack(last)?.()
  expect(read.toString('latin1', 0, 3)).toBe('xxx')
})
