import { expect, test } from 'vitest'
import { stringify } from 'yaml'
import { loadText } from '../../helpers/problems.ts'
import { pathsOf, WHOLE, withAt } from '../../helpers/whole-config.ts'

/** Passwords and passphrases that consist of words, and one that does not. */
const CANARIES = [
  'swordfish',
  'openSesame',
  'correct-horse-battery-staple',
  'correct horse battery staple',
  'Tr0ub4dor&3',
]

/** What is said about the file, wrong or not. */
async function messagesAbout(file: unknown): Promise<string> {
  const result = await loadText(stringify(file), { env: { CORP_SECRET: 's' } })
  return JSON.stringify(result.ok ? result.warnings : result.problems)
}

const PLACES = pathsOf(WHOLE).filter((path) => path.length > 0)

test.for(CANARIES)(
  '%s is quoted by no message where it is the value of a setting',
  async (canary) => {
    const leaks: string[] = []
    for (const path of PLACES) {
      for (const value of [canary, [canary], `\${${canary}:-${canary}}`]) {
        const messages = await messagesAbout(withAt(WHOLE, path, value))
        if (messages.includes(canary)) leaks.push(`${path.join('.')}: ${JSON.stringify(value)}`)
      }
    }
    expect(leaks).toEqual([])
  },
)

/** Maps whose keys are names of the user's choice, which messages need in order to say where something is. */
const NAMED_BY_USER = new Set(['credentials', 'set', 'parameters'])

test.for(CANARIES)('%s is quoted by no message where it is an unknown key', async (canary) => {
  const leaks: string[] = []
  for (const path of PLACES) {
    if (NAMED_BY_USER.has(String(path.at(-1)))) continue
    for (const value of ['x', null, {}]) {
      const messages = await messagesAbout(withAt(WHOLE, path, { [canary]: value }))
      if (messages.includes(canary)) leaks.push(`${path.join('.')}: ${JSON.stringify(value)}`)
    }
  }
  expect(leaks).toEqual([])
})

test.for(CANARIES)('%s is quoted by no message where it is a duplicate key', async (canary) => {
  const text = `"${canary}": x\n"${canary}": y\n${stringify(WHOLE)}`
  const result = await loadText(text, { env: { CORP_SECRET: 's' } })
  expect(result).toMatchObject({ ok: false })
  expect(JSON.stringify(result)).not.toContain(canary)
})
