import { expect, test } from 'vitest'
import { createProgress, formatDuration } from '../../../bench/report/progress.ts'

function written(isTerminal: boolean): string {
  let text = ''
  let now = 0
  const progress = createProgress({
    steps: 100,
    write: (more) => {
      text += more
    },
    isTerminal,
    nowMs: () => now,
  })
  for (const what of ['one', 'two', 'three', 'four']) {
    progress.step(what)
    now += 2000
  }
  progress.end()
  return text
}

test('progress in a file is a line for each step, without control characters', () => {
  expect(written(false)).toBe(
    '[1/100] one\n[2/100] two\n[3/100] three\n[4/100] four, 3 min 14 s left\n',
  )
})

test('progress on a terminal is one line that is overwritten, and cleared at the end', () => {
  const lines = written(true).split('\r\u001B[K')
  expect(lines).toEqual(['', '[1/100] one', '[2/100] two', '[3/100] three', expect.any(String), ''])
})

test.for([
  { seconds: 0.2, text: '0 s' },
  { seconds: 59.4, text: '59 s' },
  { seconds: 60, text: '1 min 0 s' },
  { seconds: 3601, text: '60 min 1 s' },
])('$seconds seconds are formatted as "$text"', ({ seconds, text }) => {
  expect(formatDuration(seconds)).toBe(text)
})
