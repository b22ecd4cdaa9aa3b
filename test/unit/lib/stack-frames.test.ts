import { expect, test } from 'vitest'
import { stackFrames } from '../../../src/lib/stack-frames.ts'

test('where an error comes from is told without its message', () => {
  const frames = stackFrames(new TypeError('canary\ncanary'))
  expect(frames).toMatch(/^TypeError\n {4}at .*stack-frames\.test\.ts/)
  expect(frames).not.toContain('canary')
})

test('the message of an error’s cause is not told either', () => {
  expect(stackFrames(new Error('a', { cause: new Error('canary') }))).not.toContain('canary')
})

test.for([['canary'], [undefined], [{ stack: 'canary' }]])('%o is no error', ([thrown]) => {
  expect(stackFrames(thrown)).toBe('a thrown value that is not an Error')
})

test('an error without a stack has its name', () => {
  const error = new RangeError('canary')
  delete error.stack
  expect(stackFrames(error)).toBe('RangeError')
})
