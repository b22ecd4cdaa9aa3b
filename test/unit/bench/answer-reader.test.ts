import { expect, test } from 'vitest'
import { createAnswerReader } from '../../../bench/load/answer-reader.ts'

const ANSWER = 'HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello'

test('an answer in one piece is complete', () => {
  expect(createAnswerReader().read(Buffer.from(ANSWER))).toBe(true)
})

test('an answer byte by byte is complete with the last one', () => {
  const reader = createAnswerReader()
  const seen = ANSWER.split('').map((letter) => reader.read(Buffer.from(letter)))
  expect(seen.indexOf(true)).toBe(ANSWER.length - 1)
})

test('the next answer on the connection is read as the first was', () => {
  const reader = createAnswerReader()
  expect([reader.read(Buffer.from(ANSWER)), reader.read(Buffer.from(ANSWER))]).toEqual([true, true])
})

test.for([
  { answer: ANSWER.replace('200 OK', '401 Unauthorized'), why: 'an answer with status 401' },
  { answer: ANSWER.replace('Content-Length: 5', 'X: y'), why: 'an answer without Content-Length' },
  { answer: `${ANSWER}!`, why: 'more came than the answer announced' },
])('what is no good answer is refused: $why', ({ answer, why }) => {
  expect(() => createAnswerReader().read(Buffer.from(answer))).toThrow(why)
})
