import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import * as z from 'zod'
import { librariesOf, renderNotices } from '../../scripts/third-party-notices.ts'
import { temporaryDirectory } from '../helpers/sidecar.ts'

const NOTICES = readFileSync('THIRD-PARTY-NOTICES', 'utf8')

test('the notices are up to date ("npm run generate" writes them)', async () => {
  expect(await renderNotices()).toBe(NOTICES)
})

const sourceMap = z.object({ sources: z.array(z.string()) })

test('every library in the bundle has its notice', () => {
  const { sources } = sourceMap.parse(JSON.parse(readFileSync('dist/cli.js.map', 'utf8')))
  const names = sources.flatMap((source) => {
    const name = /^.*\/node_modules\/(?<name>(?:@[^/]+\/)?[^/]+)/.exec(source)?.groups?.['name']
    return name === undefined ? [] : [name]
  })
  const missing = [...new Set(names)].filter((name) => !NOTICES.includes(`\n${name} `))
  expect(names.length).toBeGreaterThan(100)
  expect(missing).toEqual([])
})

test('the notices are in the package and in the image', () => {
  const { files } = z
    .object({ files: z.array(z.string()) })
    .parse(JSON.parse(readFileSync('package.json', 'utf8')))
  expect(files).toContain('THIRD-PARTY-NOTICES')
  expect(readFileSync('Dockerfile', 'utf8')).toContain('\nCOPY LICENSE THIRD-PARTY-NOTICES ./\n')
  expect(readFileSync('.dockerignore', 'utf8')).toContain('!LICENSE\n!THIRD-PARTY-NOTICES\n')
})

/** A package on disk, in the layout of npm. */
async function installed(files: Readonly<Record<string, string>>): Promise<string> {
  const directory = join(await temporaryDirectory(), 'node_modules/some-library')
  mkdirSync(join(directory, 'lib/borrowed'), { recursive: true })
  const manifest = JSON.stringify({ name: 'some-library', version: '1.2.3', license: 'MIT' })
  for (const [name, text] of Object.entries({ 'package.json': manifest, ...files })) {
    writeFileSync(join(directory, name), text)
  }
  return directory
}

test('a library without a licence text is an error', async () => {
  const directory = await installed({})
  expect(() => librariesOf([join(directory, 'index.js')])).toThrow(
    'Cannot find the licence of "some-library": it has no such file',
  )
})

test('licences of third-party code within a library are included if that code is in the bundle', async () => {
  const directory = await installed({ LICENSE: 'its own', 'lib/borrowed/LICENSE.md': 'of another' })
  const one = { name: 'some-library', version: '1.2.3', licence: 'MIT' }
  expect(librariesOf([join(directory, 'lib/index.js')])).toEqual([{ ...one, texts: ['its own'] }])
  expect(librariesOf([join(directory, 'lib/borrowed/index.js'), '/our/own.ts'])).toEqual([
    { ...one, texts: ['its own', 'of another'] },
  ])
})
