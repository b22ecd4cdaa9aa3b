import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import * as z from 'zod'

/**
 * `npm run package` writes the npm package to dist/package. Its package.json has no `dependencies`,
 * because the bundle contains them and npm would install them a second time.
 */
const TOP = join(import.meta.dirname, '..')
const PACKAGE = join(TOP, 'dist/package')
const NOT_PUBLISHED = new Set([
  'private',
  'scripts',
  'dependencies',
  'devDependencies',
  'overrides',
  'allowScripts',
])

const source = z
  .record(z.string(), z.unknown())
  .parse(JSON.parse(readFileSync(join(TOP, 'package.json'), 'utf8')))
const published = Object.entries(source).filter(([key]) => !NOT_PUBLISHED.has(key))
rmSync(PACKAGE, { recursive: true, force: true })
for (const path of [...z.array(z.string()).parse(source['files']), 'README.md', 'LICENSE']) {
  mkdirSync(dirname(join(PACKAGE, path)), { recursive: true })
  cpSync(join(TOP, path), join(PACKAGE, path))
}
writeFileSync(
  join(PACKAGE, 'package.json'),
  `${JSON.stringify(Object.fromEntries(published), undefined, 2)}\n`,
)
