import { globSync, readFileSync } from 'node:fs'
import { expect, test } from 'vitest'

/** The message of every logger call in the source. */
function messages(): string[] {
  return globSync('src/**/*.ts').flatMap((file) =>
    [
      ...readFileSync(file, 'utf8').matchAll(
        /\blog(?:ger)?\.(?:debug|info|warn|error)\([^;]*?'(?<message>[a-z][^']+)',?\s*\)/g,
      ),
    ].flatMap(({ groups }) => groups?.['message'] ?? []),
  )
}

test('docs/logs.md names every message that is logged', () => {
  const document = readFileSync('docs/logs.md', 'utf8')
  const found = messages()
  expect(found.length).toBeGreaterThan(12)
  expect(found.filter((message) => !document.includes(`\`${message}\``))).toEqual([])
})
