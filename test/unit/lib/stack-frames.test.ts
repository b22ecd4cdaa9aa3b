import { expect, test } from 'vitest'
import { stackFrames } from '../../../src/lib/stack-frames.ts'

test('the stack frames of an error do not contain its message', () => {
  const frames = stackFrames(new TypeError('canary\ncanary'))
  expect(frames).toMatch(/^TypeError\n {4}at .*stack-frames\.test\.ts/)
  expect(frames).not.toContain('canary')
})

test('the stack frames of an error do not contain the message of its cause', () => {
  expect(stackFrames(new Error('a', { cause: new Error('canary') }))).not.toContain('canary')
})

test.for([['canary'], [undefined], [{ stack: 'canary' }]])(
  'the thrown value %o has no stack frames',
  ([thrown]) => {
    expect(stackFrames(thrown)).toBe('a thrown value that is not an Error')
  },
)

test('an error without a stack is reported by its name', () => {
  const error = new RangeError('canary')
  delete error.stack
  expect(stackFrames(error)).toBe('RangeError')
})
