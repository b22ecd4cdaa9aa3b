import { getEventListeners } from 'node:events'
import { expect, test } from 'vitest'
import { abortable } from '../../../src/lib/abortable.ts'

test('what is waited for arrives', async () => {
  const { signal } = new AbortController()
  await expect(abortable(Promise.resolve(7), signal)).resolves.toBe(7)
})

test('its failure arrives', async () => {
  const { signal } = new AbortController()
  const failing = Promise.reject(new Error('no token'))
  await expect(abortable(failing, signal)).rejects.toThrow('no token')
})

test('the wait ends when the signal aborts, with its reason', async () => {
  const controller = new AbortController()
  const waiting = abortable(Promise.withResolvers<number>().promise, controller.signal)
  controller.abort(new Error('client went away'))
  await expect(waiting).rejects.toThrow('client went away')
})

test('a signal that has aborted already ends it at once', async () => {
  const signal = AbortSignal.abort(new Error('client went away'))
  await expect(abortable(Promise.resolve(7), signal)).rejects.toThrow('client went away')
})

test('the promise goes on for whoever else waits', async () => {
  const { promise, resolve } = Promise.withResolvers<string>()
  const impatient = new AbortController()
  const patient = new AbortController()
  const first = abortable(promise, impatient.signal)
  const second = abortable(promise, patient.signal)
  impatient.abort(new Error('client went away'))
  await expect(first).rejects.toThrow('client went away')
  resolve('token')
  await expect(second).resolves.toBe('token')
})

test('a failure after the wait has ended is nobody’s', async () => {
  const { promise, reject } = Promise.withResolvers<never>()
  const controller = new AbortController()
  const waiting = abortable(promise, controller.signal)
  controller.abort(new Error('client went away'))
  await expect(waiting).rejects.toThrow('client went away')
  // Unhandled, it would fail the test run.
  reject(new Error('no token'))
})

test('no listener stays at a signal that never aborts', async () => {
  const { signal } = new AbortController()
  await abortable(Promise.resolve(7), signal)
  await expect(abortable(Promise.reject(new Error('no')), signal)).rejects.toThrow('no')
  expect(getEventListeners(signal, 'abort')).toEqual([])
})
