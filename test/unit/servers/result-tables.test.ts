import { describe, expect, it } from 'vitest'
import { replaceTable } from '../../servers/replace-table.ts'
import { resultTables } from '../../servers/result-tables.ts'
import { hasFailed, type Outcome, type ServerResult, STEPS } from '../../servers/results.ts'

const passed: Outcome = { result: 'passed' }

function serverWith(wrongCredentials: Outcome): ServerResult {
  return {
    name: 'server',
    title: 'Server',
    version: '1.2.3',
    address: 'issuer',
    validation: 'JWKS',
    isRevokedAtServer: false,
    unknownScope: 'rejected',
    audience: 'none',
    cases: ['client_secret_basic', 'client_secret_post'].map((caseId) => ({
      caseId,
      settings: '',
      outcomes: {
        token: passed,
        renewal: passed,
        rejectedToken: passed,
        wrongCredentials,
        rotation: passed,
        restart: { result: 'notRun' },
      },
    })),
  }
}

const failed: Outcome = { result: 'failed', note: 'no advice from\n"127.0.0.1:40123"' }
const skipped: ServerResult = { name: 'other', title: 'Other', skipped: 'no "go" on the PATH' }
const broken: ServerResult = { name: 'other', title: 'Other', broken: 'it ended early' }

function rowsOf(tables: string): string[][] {
  return tables
    .split('\n')
    .filter((line) => line.startsWith('| '))
    .map((line) => line.split('|').map((cell) => cell.trim()))
}

describe('resultTables', () => {
  it('has one row for each client, with a cell for each step', () => {
    const rows = rowsOf(resultTables([serverWith({ result: 'passed', note: '`invalid_client`' })]))

    expect(rows.at(-1)).toEqual([
      '',
      'Server',
      '`client_secret_post`',
      '',
      'yes',
      'yes',
      'yes',
      'yes: `invalid_client`',
      'yes',
      'not run',
      '',
    ])
  })

  it('lists the same failure once, in one line and without the port of this run', () => {
    const tables = resultTables([serverWith(failed)])

    expect(tables.match(/no \(1\)/g)).toHaveLength(2)
    expect(tables.split('\n').at(-1)).toBe('1. no advice from "HOST"')
  })

  it('says why a server was skipped, and marks its steps as not run', () => {
    const tables = resultTables([skipped])

    expect(tables).toContain('1. no "go" on the PATH')
    expect(
      rowsOf(tables)
        .at(-1)
        ?.filter((cell) => cell === 'not run'),
    ).toHaveLength(STEPS.length)
  })
})

describe('hasFailed', () => {
  it('is false for a skipped server and for steps that were not run', () => {
    expect([skipped, serverWith(passed)].map(hasFailed)).toEqual([false, false])
  })

  it('is true for a failed step and for a server that did not start', () => {
    expect([broken, serverWith(failed)].map(hasFailed)).toEqual([true, true])
  })
})

describe('replaceTable', () => {
  const BEGIN = '<!-- Begin of what "npm run test:servers -- --write" writes -->'
  const END = '<!-- End of what "npm run test:servers -- --write" writes -->'

  it('replaces what is between the marks and nothing else', () => {
    const text = `before\n\n${BEGIN}\n\nold\n\n${END}\n\nafter\n`

    expect(replaceTable(text, 'new')).toBe(`before\n\n${BEGIN}\n\nnew\n\n${END}\n\nafter\n`)
  })

  it.each([`before ${BEGIN}`, `${END} ${BEGIN}`, ''])(
    'rejects text without both marks: %j',
    (text) => {
      expect(() => replaceTable(text, 'new')).toThrow('expected the lines')
    },
  )
})
