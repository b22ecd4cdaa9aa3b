import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { problemsOf } from '../../helpers/problems.ts'

const FILE = readFileSync('test/fixtures/mistakes.yaml', 'utf8')
const AROUND = { env: { CORP_SECRET: 's', THIRD_SECRET: 's' } }

/** What the file says about itself, in the comments. */
const EXPECTED = FILE.split('\n').flatMap((line) => {
  const comment = / # (?<problem>\d+:\d+ .*)$/.exec(line)
  return comment?.groups?.['problem'] ?? []
})

test('every mistake of a file is reported once, in the order of its lines and where it stands', async () => {
  expect(EXPECTED.length).toBeGreaterThan(25)
  expect(await problemsOf(FILE, AROUND)).toEqual(EXPECTED)
})

test('the same file with the line ends of Windows is reported at the same places', async () => {
  expect(await problemsOf(FILE.replaceAll('\n', '\r\n'), AROUND)).toEqual(EXPECTED)
})

test('the same file with a byte order mark is reported at the same places', async () => {
  expect(await problemsOf(`\uFEFF${FILE}`, AROUND)).toEqual(EXPECTED)
})
