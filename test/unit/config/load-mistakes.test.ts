import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { problemsOf } from '../../helpers/problems.ts'

const FILE = readFileSync('test/fixtures/mistakes.yaml', 'utf8')
const ENVIRONMENT = { env: { CORP_SECRET: 's', THIRD_SECRET: 's' } }

/** The expected problems, which are comments in the file. */
const EXPECTED = FILE.split('\n').flatMap((line) => {
  const comment = / # (?<problem>\d+:\d+ .*)$/.exec(line)
  return comment?.groups?.['problem'] ?? []
})

test('every mistake in mistakes.yaml is reported once, at its position and in order', async () => {
  expect(EXPECTED.length).toBeGreaterThan(25)
  expect(await problemsOf(FILE, ENVIRONMENT)).toEqual(EXPECTED)
})

test('mistakes.yaml with CRLF line ends has its problems at the same positions', async () => {
  expect(await problemsOf(FILE.replaceAll('\n', '\r\n'), ENVIRONMENT)).toEqual(EXPECTED)
})

test('mistakes.yaml with a byte order mark has its problems at the same positions', async () => {
  expect(await problemsOf(`\uFEFF${FILE}`, ENVIRONMENT)).toEqual(EXPECTED)
})
