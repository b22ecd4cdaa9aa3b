import { expect, test } from 'vitest'
import { createReferenceCountedPool } from '../../../src/lib/reference-counted-pool.ts'

function createPool() {
  const closed: string[] = []
  const pool = createReferenceCountedPool<string>((resource) => void closed.push(resource))
  return { pool, closed }
}

test('two owners share a resource, which is closed after the second has released it', async () => {
  const { pool, closed } = createPool()
  const first = pool.createReferences()
  const second = pool.createReferences()
  expect(await first.acquire('a', async () => await Promise.resolve('one'))).toBe('one')
  expect(await second.acquire('a', async () => await Promise.resolve('two'))).toBe('one')
  await first.release()
  expect(closed).toEqual([])
  await second.release()
  expect(closed).toEqual(['one'])
})

test('an owner that acquires a resource twice has one reference to it', async () => {
  const { pool, closed } = createPool()
  const references = pool.createReferences()
  await references.acquire('a', async () => await Promise.resolve('one'))
  await references.acquire('a', async () => await Promise.resolve('one'))
  await references.release()
  expect(closed).toEqual(['one'])
})

test('a resource that could not be opened is not closed, and the next owner opens it again', async () => {
  const { pool, closed } = createPool()
  const references = pool.createReferences()
  const failing = references.acquire('a', async () => await Promise.reject(new Error('missing')))
  await expect(failing).rejects.toThrow('missing')
  await references.release()
  expect(closed).toEqual([])
  const next = pool.createReferences()
  expect(await next.acquire('a', async () => await Promise.resolve('one'))).toBe('one')
})
