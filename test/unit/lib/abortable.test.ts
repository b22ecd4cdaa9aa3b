import { getEventListeners } from 'node:events'
import { expect, test } from 'vitest'
import { abortable } from '../../../src/lib/abortable.ts'

test('abortable resolves with the value of the promise', async () => {
  const { signal } = new AbortController()
  await expect(abortable(Promise.resolve(7), signal)).resolves.toBe(7)
})

test('abortable rejects with the error of the promise', async () => {
  const { signal } = new AbortController()
  const failing = Promise.reject(new Error('no token'))
  await expect(abortable(failing, signal)).rejects.toThrow('no token')
})

test('abortable rejects with the reason of the signal when it aborts', async () => {
  const controller = new AbortController()
  const waiting = abortable(Promise.withResolvers<number>().promise, controller.signal)
  controller.abort(new Error('client went away'))
  await expect(waiting).rejects.toThrow('client went away')
})

test('abortable rejects at once if the signal has already aborted', async () => {
  const signal = AbortSignal.abort(new Error('client went away'))
  await expect(abortable(Promise.resolve(7), signal)).rejects.toThrow('client went away')
})

test('an abort does not affect other waits for the same promise', async () => {
  const { promise, resolve } = Promise.withResolvers<string>()
  const aborted = new AbortController()
  const other = new AbortController()
  const first = abortable(promise, aborted.signal)
  const second = abortable(promise, other.signal)
  aborted.abort(new Error('client went away'))
  await expect(first).rejects.toThrow('client went away')
  resolve('token')
  await expect(second).resolves.toBe('token')
})

test('a rejection after an abort is handled', async () => {
  const { promise, reject } = Promise.withResolvers<never>()
  const controller = new AbortController()
  const waiting = abortable(promise, controller.signal)
  controller.abort(new Error('client went away'))
  await expect(waiting).rejects.toThrow('client went away')
  // An unhandled rejection would fail the test run.
  reject(new Error('no token'))
})

test('no listener remains on the signal after the promise has settled', async () => {
  const { signal } = new AbortController()
  await abortable(Promise.resolve(7), signal)
  await expect(abortable(Promise.reject(new Error('no')), signal)).rejects.toThrow('no')
  expect(getEventListeners(signal, 'abort')).toEqual([])
})
