import { openSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { stripVTControlCharacters } from 'node:util'
import { expect, test } from 'vitest'
import { createLog, type Logger } from '../../../src/observe/logger.ts'
import { temporaryDirectory } from '../../helpers/sidecar.ts'

type Level = 'debug' | 'info' | 'warn' | 'error'

/** The content of the log. */
async function logged(
  write: (logger: Logger) => void,
  { level = 'info', format = 'json' }: { level?: Level; format?: 'json' | 'pretty' } = {},
): Promise<string> {
  const file = join(await temporaryDirectory(), 'log')
  const log = createLog({ level, format, destination: openSync(file, 'a') })
  write(log.logger)
  await log.drain(10_000)
  return readFileSync(file, 'utf8')
}

test('a line is one JSON object with level, time and message, without host name and PID', async () => {
  const lines = await logged((logger) => logger.info({ route: 'orders' }, 'request'))
  expect(lines.endsWith('}\n')).toBe(true)
  const line: unknown = JSON.parse(lines)
  expect(line).toEqual({
    level: 'info',
    time: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
    route: 'orders',
    message: 'request',
  })
})

test.for([
  ['debug', ['debug', 'info', 'warn', 'error']],
  ['info', ['info', 'warn', 'error']],
  ['warn', ['warn', 'error']],
  ['error', ['error']],
] as const)('at level %s, lines of the levels %j are written', async ([level, expected]) => {
  const lines = await logged(
    (logger) => {
      logger.debug({}, 'debug')
      logger.info({}, 'info')
      logger.warn({}, 'warn')
      logger.error({}, 'error')
    },
    { level },
  )
  const levels = lines
    .trimEnd()
    .split('\n')
    .map((line) => /"level":"(?<level>\w+)"/.exec(line)?.groups?.['level'])
  expect(levels).toEqual(expected)
})

test('an array in a field is logged as an array', async () => {
  const lines = await logged((logger) => logger.info({ settings: ['listen'] }, 'a'))
  expect(lines).toContain('"settings":["listen"]')
})

const UNWANTED = ['authorization', 'headers', 'secret', 'clientSecret', 'token', 'access_token']

test.for(UNWANTED)(
  'a field named %s is redacted, at the top level and one level below',
  async (name) => {
    const lines = await logged((logger) => {
      logger.info({ [name]: 'canary' }, 'a')
      logger.info({ request: { [name]: 'canary', path: '/orders' } }, 'b')
      logger.child({ [name]: 'canary' }).info({}, 'c')
    })
    expect(lines).not.toContain('canary')
    expect(lines.match(/\[redacted\]/g)).toHaveLength(3)
    expect(lines).toContain('/orders')
  },
)

test('the pretty format has the same fields, and redacts the same ones', async () => {
  const coloured = await logged(
    (logger) => logger.warn({ route: 'orders', token: 'canary' }, 'request failed'),
    { format: 'pretty' },
  )
  const text = stripVTControlCharacters(coloured)
  expect(text).toMatch(/^\[\d\d:\d\d:\d\d\.\d+\] WARN: request failed {2}route=orders /)
  expect(text).not.toContain('canary')
})

test('a line break in a field does not start a new line', async () => {
  const lines = await logged((logger) => logger.info({ path: '/a\n{"level":"error"}' }, 'request'))
  expect(lines.trimEnd().split('\n')).toHaveLength(1)
})
