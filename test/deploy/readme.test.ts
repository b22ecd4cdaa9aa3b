import { globSync, readFileSync } from 'node:fs'
import { basename } from 'node:path'
import { expect, test } from 'vitest'
import * as z from 'zod'
import { FAILURE_CODES, FAILURES } from '../../src/errors.ts'
import { runCommand } from '../helpers/cli.ts'
import { loadDeployed } from '../helpers/deployed-config.ts'

const MAX_README_WORDS = 1_200

const README = readFileSync('README.md', 'utf8')
const INDEX = readFileSync('docs/README.md', 'utf8')

const manifest = z.object({ scripts: z.record(z.string(), z.string()) })

/** The code blocks of a language. */
function codeBlocks(text: string, language: string): string[] {
  const blocks = text.matchAll(new RegExp(`^\`\`\`${language}\\n(?<code>.*?)^\`\`\`$`, 'gms'))
  return [...blocks].map(({ groups }) => groups?.['code'] ?? '')
}

test('the README is short', () => {
  expect(README.split(/\s+/).length).toBeLessThanOrEqual(MAX_README_WORDS)
})

test('the README runs the demo and the tests first', () => {
  expect(codeBlocks(README, 'sh').slice(0, 2)).toEqual([
    'npm ci && npm run demo\n',
    'npm ci && npm test\n',
  ])
})

test('the npm scripts that the README runs exist', () => {
  const { scripts } = manifest.parse(JSON.parse(readFileSync('package.json', 'utf8')))
  const names = [...README.matchAll(/npm run (?<name>[\w:]+)/g)].map(
    ({ groups }) => groups?.['name'] ?? '',
  )
  expect(names).toContain('build')
  expect(names.filter((name) => !(name in scripts))).toEqual([])
})

test('the configuration in the README is valid', async () => {
  const [yaml = ''] = /^listen: .*?(?=^EOF$)/ms.exec(README) ?? []
  const { config, warnings } = await loadDeployed(yaml)
  expect(config.routes.map(({ name }) => name)).toEqual(['orders'])
  expect(warnings).toEqual([])
})

test('docs/README.md links to every page of docs', () => {
  const pages = globSync('docs/*.md')
    .map((path) => basename(path))
    .filter((page) => page !== 'README.md')
  expect(pages.length).toBeGreaterThan(20)
  expect(pages.filter((page) => !INDEX.includes(`](${page})`))).toEqual([])
})

test('docs/failures.md lists the status of each failure', () => {
  const text = readFileSync('docs/failures.md', 'utf8')
  const rows = [...text.matchAll(/^\| `(\w+)` +\| (\d{3}) +\| \S/gm)]
  const sent = FAILURE_CODES.filter((code) => code !== 'client_closed')
  expect(Object.fromEntries(rows.map(([, code, status]) => [code, Number(status)]))).toEqual(
    Object.fromEntries(sent.map((code) => [code, FAILURES[code].status])),
  )
  expect(text).toContain(`\`client_closed\` (${FAILURES.client_closed.status})`)
})

test('docs/command-line.md lists every command', async () => {
  const { out } = await runCommand(['--help'])
  const commands = [...out.matchAll(/^ {2}(?<name>[a-z]+) /gm)].map(
    ({ groups }) => groups?.['name'],
  )
  const text = readFileSync('docs/command-line.md', 'utf8')
  const rows = [...text.matchAll(/^\| `token-sidecar \[?(?<name>[a-z]+)/gm)].map(
    ({ groups }) => groups?.['name'],
  )
  expect(new Set(rows)).toEqual(new Set(commands))
})
