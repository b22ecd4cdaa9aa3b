import { existsSync, globSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { expect, test } from 'vitest'
import * as z from 'zod'
import { parse } from 'yaml'
import { FAILURE_CODES } from '../../src/errors.ts'
import { loadDeployed } from '../helpers/deployed-config.ts'
import { readImage } from '../helpers/shipped-image.ts'

const PAGES = [
  ...globSync('*.md'),
  ...globSync('docs/*.md'),
  ...globSync('deploy/**/README.md'),
].toSorted()

const TROUBLESHOOTING = readFileSync('docs/troubleshooting.md', 'utf8')
const SOURCES = globSync('src/**/*.ts')
  .map((file) => readFileSync(file, 'utf8'))
  .join('\n')

/** The links of a page within the repository. */
function linksOf(text: string): string[] {
  const targets = [...text.matchAll(/\]\((?<target>[^)\s]+)\)/g)].map(
    ({ groups }) => groups?.['target'] ?? '',
  )
  return targets.filter((target) => !/^[a-z]+:/.test(target))
}

/** The link anchors of headings. */
function anchorsOf(text: string): string[] {
  return [...text.matchAll(/^#+ (?<heading>.+)$/gm)].map(({ groups }) =>
    (groups?.['heading'] ?? '')
      .toLowerCase()
      .replaceAll(/[^\p{L}\d\s_-]/gu, '')
      .replaceAll(' ', '-'),
  )
}

function brokenLinks(page: string, text: string): string[] {
  return linksOf(text).filter((target) => {
    const [path = '', anchor] = target.split('#')
    const file = path === '' ? page : join(dirname(page), path)
    if (!existsSync(file)) return true
    return anchor !== undefined && !anchorsOf(readFileSync(file, 'utf8')).includes(anchor)
  })
}

test.for(PAGES)('every link of %s has a target', (page) => {
  expect(brokenLinks(page, readFileSync(page, 'utf8'))).toEqual([])
})

test('a broken link is detected', () => {
  expect(brokenLinks('docs/deploy.md', '[a](nothing.md) [b](release.md#nothing)')).toEqual([
    'nothing.md',
    'release.md#nothing',
  ])
})

test.for(FAILURE_CODES)('the troubleshooting page describes %s', (code) => {
  expect(TROUBLESHOOTING).toContain(`\`${code}\``)
})

/** The constant parts of a message that must be in the source, without short ones. */
function fixedParts(message: string): string[] {
  return message
    .split(/"[^"]*"|…|: |; |with |[()\d]+/)
    .map((part) => part.trim())
    .filter((part) => part.length > 11)
}

const MESSAGES = [
  ...TROUBLESHOOTING.matchAll(/`(?<message>(?:Cannot|expected|its|the|there) [^`]+)`/g),
].map(({ groups }) => groups?.['message'] ?? '')

test('the troubleshooting page contains messages', () => {
  expect(MESSAGES.length).toBeGreaterThan(30)
})

test.for(MESSAGES)('the documented message %j is in the source', (message) => {
  expect(fixedParts(message).filter((part) => !SOURCES.includes(part))).toEqual([])
})

test('a documented message that is not in the source is detected', () => {
  const parts = fixedParts('Cannot reach "…": the host name is unheard of')
  expect(parts.filter((part) => !SOURCES.includes(part))).toEqual(['the host name is unheard of'])
})

const credentials = z.object({ credentials: z.record(z.string(), z.unknown()) })
const routeFor = (credential: string): string =>
  `routes: [{ name: all, match: { path: / }, upstream: https://api.example.com, credential: ${credential} }]\n`
const SNIPPETS = [
  ...readFileSync('docs/providers.md', 'utf8').matchAll(/^ *```yaml\n(?<yaml>[^`]+)```/gm),
]
  .map(({ groups }) => groups?.['yaml'] ?? '')
  .map((yaml) => yaml.replaceAll(new RegExp(`^${/^ */.exec(yaml)?.[0]}`, 'gm'), ''))
  .filter((yaml) => credentials.safeParse(parse(yaml)).success)

test('the documentation contains examples of credentials', () => {
  expect(SNIPPETS.length).toBeGreaterThan(8)
})

test.for(SNIPPETS)('the documented example %j is valid', async (yaml) => {
  const names = [...yaml.matchAll(/env: (?<name>\w+)/g)].map(({ groups }) => groups?.['name'] ?? '')
  const env = Object.fromEntries(names.map((name) => [name, 'placeholder']))
  const [credential = ''] = Object.keys(credentials.parse(parse(yaml)).credentials)
  await expect(loadDeployed(yaml + routeFor(credential), env)).resolves.toMatchObject({
    warnings: [],
  })
})

const manifest = z.object({ version: z.string() })

test('the package, the lock file and the image have the same version', () => {
  const { version } = readImage()
  for (const file of ['package.json', 'package-lock.json']) {
    expect(manifest.parse(JSON.parse(readFileSync(file, 'utf8'))).version).toBe(version)
  }
})
