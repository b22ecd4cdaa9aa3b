import { globSync, readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { FAILURE_CODES } from '../../src/errors.ts'
import { RUNBOOK_SECTIONS } from '../helpers/alert-rules.ts'
import { missingIn, readExposedSeries } from '../helpers/exposed-series.ts'

const RUNBOOK = readFileSync('docs/runbook.md', 'utf8')
  .replaceAll(/```.*?```/gs, '')
  .replaceAll(/\s+/g, ' ')
/** The code spans of a text. */
const NAMED = [...RUNBOOK.matchAll(/`(?<text>[^`]+)`/g)].map(({ groups }) => groups?.['text'] ?? '')

test('the messages that the runbook quotes are in the source', () => {
  const source = globSync('src/**/*.ts')
    .map((file) => readFileSync(file, 'utf8'))
    .join('\n')
  const quoted = NAMED.filter((text) => /^(?:Cannot )?[a-z]+(?:,? [a-z]+){2,}$/.test(text))
  expect(quoted.length).toBeGreaterThan(10)
  expect(quoted.filter((text) => !source.includes(text))).toEqual([])
})

test('the failure codes in the runbook exist', () => {
  const families = /^(?:token|upstream|request|route|egress|client|internal|headers)_[a-z_]+$/
  const codes = NAMED.filter((text) => families.test(text))
  expect(codes.length).toBeGreaterThan(10)
  const known: readonly string[] = FAILURE_CODES
  expect(
    codes.filter((code) => !known.includes(code) && !code.startsWith('token_sidecar')),
  ).toEqual([])
})

test('the settings in the runbook exist', () => {
  const settings = readFileSync('docs/settings.md', 'utf8')
  const named = NAMED.filter((text) => /^(?:limits|timeouts|tls)\.\w+$/.test(text))
  expect(named.length).toBeGreaterThan(5)
  expect(named.filter((name) => !settings.includes(`\`${name}\``))).toEqual([])
})

test('the metrics in the runbook exist', async () => {
  const series = await readExposedSeries()
  const named = NAMED.filter((text) => /^(?:token_sidecar|process)_\w+$/.test(text))
  expect(named.length).toBeGreaterThan(5)
  expect(named.flatMap((name) => missingIn(name, series))).toEqual([])
})

test('links within the runbook have a target', () => {
  const anchors = [...RUNBOOK.matchAll(/\]\(#(?<anchor>[^)]+)\)/g)].map(
    ({ groups }) => groups?.['anchor'] ?? '',
  )
  expect(anchors.length).toBeGreaterThan(5)
  expect(anchors.filter((anchor) => !RUNBOOK_SECTIONS.has(anchor))).toEqual([])
})
