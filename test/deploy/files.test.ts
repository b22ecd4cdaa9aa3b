import { globSync, readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { parseAllDocuments } from 'yaml'

const FILES = globSync('deploy/**/*.{yaml,yml}').filter((file) => !file.includes('/templates/'))

test.for(FILES)('%s is valid YAML without a warning', (file) => {
  const documents = parseAllDocuments(readFileSync(file, 'utf8'))
  expect(documents.flatMap(({ errors, warnings }) => [...errors, ...warnings])).toEqual([])
})

test('invalid YAML is detected', () => {
  expect(parseAllDocuments('a: [\n').some(({ errors }) => errors.length > 0)).toBe(true)
})

const TEXTS = globSync('deploy/**/*', { withFileTypes: true })
  .filter((entry) => entry.isFile())
  .map((entry) => `${entry.parentPath}/${entry.name}`)

test.for(TEXTS)('%s uses no image with the tag latest', (file) => {
  expect(readFileSync(file, 'utf8')).not.toMatch(/:latest\b/)
})
