import { expect, test } from 'vitest'
import { createAbortController } from '../../../src/lib/abort-controller.ts'

test('a signal has the reason that it was first aborted with', () => {
  const { signal, abort } = createAbortController()
  expect(signal.aborted).toBe(false)
  abort('first')
  abort('second')
  expect(signal).toMatchObject({ aborted: true, reason: 'first' })
})

test('a listener is called once, when the signal has its reason', () => {
  const { signal, abort } = createAbortController()
  const reasons: unknown[] = []
  const listener = (): void => void reasons.push(signal.reason)
  signal.addEventListener('abort', listener)
  signal.addEventListener('abort', listener)
  abort('first')
  abort('second')
  expect(reasons).toEqual(['first'])
})

test('a listener that was removed is not called', () => {
  const { signal, abort } = createAbortController()
  const called: string[] = []
  const removed = (): void => void called.push('removed')
  signal.addEventListener('abort', removed)
  signal.addEventListener('abort', () => void called.push('other'))
  signal.removeEventListener('abort', removed)
  abort('reason')
  expect(called).toEqual(['other'])
})
