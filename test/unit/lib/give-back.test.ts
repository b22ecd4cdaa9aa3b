import { expect, test } from 'vitest'
import { givingBack } from '../../../src/lib/give-back.ts'

const LARGE = 16 * 1024

test('the memory of a chunk is free when it has been written', () => {
  const chunk = Buffer.alloc(LARGE)
  const { buffer } = chunk
  givingBack(chunk)?.()
  expect(buffer.byteLength).toBe(0)
})

test('with what came before it in the same read', () => {
  const read = Buffer.alloc(LARGE + 10)
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
