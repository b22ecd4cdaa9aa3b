import { expect, test } from 'vitest'
import { stringify } from 'yaml'
import { loadText } from '../../helpers/problems.ts'
import { pathsOf, WHOLE, withAt } from '../../helpers/whole-config.ts'

/** Passwords and passphrases of words, and one with special characters. */
const CANARIES = [
  'swordfish',
  'openSesame',
  'correct-horse-battery-staple',
  'correct horse battery staple',
  'Tr0ub4dor&3',
]

/** The problems or warnings of a configuration. */
async function messagesAbout(file: unknown): Promise<string> {
  const result = await loadText(stringify(file), { env: { CORP_SECRET: 's' } })
  return JSON.stringify(result.ok ? result.warnings : result.problems)
}

const PATHS = pathsOf(WHOLE).filter((path) => path.length > 0)

test.for(CANARIES)('no message contains %s as the value of a setting', async (canary) => {
  const leaks: string[] = []
  for (const path of PATHS) {
    for (const value of [canary, [canary], `\${${canary}:-${canary}}`]) {
      const messages = await messagesAbout(withAt(WHOLE, path, value))
      if (messages.includes(canary)) leaks.push(`${path.join('.')}: ${JSON.stringify(value)}`)
    }
  }
  expect(leaks).toEqual([])
})

/** Free-form maps, whose keys messages contain to identify a position. */
const FREE_FORM_MAPS = new Set(['credentials', 'set', 'parameters'])

test.for(CANARIES)('no message contains %s as an unknown key', async (canary) => {
  const leaks: string[] = []
  for (const path of PATHS) {
    if (FREE_FORM_MAPS.has(String(path.at(-1)))) continue
    for (const value of ['x', null, {}]) {
      const messages = await messagesAbout(withAt(WHOLE, path, { [canary]: value }))
      if (messages.includes(canary)) leaks.push(`${path.join('.')}: ${JSON.stringify(value)}`)
    }
  }
  expect(leaks).toEqual([])
})

test.for(CANARIES)('no message contains %s as a duplicate key', async (canary) => {
  const text = `"${canary}": x\n"${canary}": y\n${stringify(WHOLE)}`
  const result = await loadText(text, { env: { CORP_SECRET: 's' } })
  expect(result).toMatchObject({ ok: false })
  expect(JSON.stringify(result)).not.toContain(canary)
})
