import { globSync, readFileSync } from 'node:fs'
import { parseSync } from 'rolldown/utils'
import { expect, test } from 'vitest'
import { joinModules, STATUS_PAGE } from '../../../src/admin/status-page.ts'
import { importsOf } from '../../helpers/source-imports.ts'

const SCRIPT = /<script type="module">(?<source>[^]*)<\/script>/.exec(STATUS_PAGE.body)?.groups?.[
  'source'
]

test('the script of the page is one module that imports nothing, and no name is declared twice', () => {
  const { program, errors } = parseSync('page.js', SCRIPT ?? '')
  expect(errors).toEqual([])
  expect(program.body.length).toBeGreaterThan(50)
  expect(importsOf(SCRIPT ?? '')).toEqual([])
  expect(SCRIPT).not.toMatch(/^export /m)
  const names = [
    ...(SCRIPT ?? '').matchAll(
      /^(?:async )?(?:function|const|let) (?:\/\*.*?\*\/ )?(?<name>\w+)/gm,
    ),
  ].map(({ groups }) => groups?.['name'])
  expect(names.length).toBeGreaterThan(40)
  expect(names.filter((name, index) => names.indexOf(name) !== index)).toEqual([])
})

test.for(globSync('src/admin/page/*.js'))('%s is part of the page', (file) => {
  const first = readFileSync(file, 'utf8').split('\n')[0] ?? ''
  expect(SCRIPT).toContain(first)
})

test('imports and exports between the parts are dropped, and nothing else', () => {
  const one = 'export const a = 1\nexport async function b() {}\nexport let /** @type {x} */ c\n'
  const two =
    "import { a, b } from './one.js'\nimport {\n  c,\n} from './one.js'\nconst text = 'export const'\n"
  expect(joinModules([one, two])).toBe(
    "const a = 1\nasync function b() {}\nlet /** @type {x} */ c\n\nconst text = 'export const'\n",
  )
})
