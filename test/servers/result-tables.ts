import { type Outcome, type ServerResult, STEPS, type Step } from './results.ts'

const HEADINGS: Readonly<Record<Step, string>> = {
  token: 'token',
  renewal: 'renewal',
  rejectedToken: 'rejected token',
  wrongProof: 'wrong secret or key',
  rotation: 'rotation',
  restart: 'restart',
}

/** Two tables in Markdown: what each server is, and how each client fared. */
export function resultTables(results: readonly ServerResult[]): string {
  const complaints: string[] = []
  const servers = results.map((result) =>
    'skipped' in result
      ? [result.title, `skipped: ${result.skipped}`, '', '', '', '', '']
      : [
          result.title,
          result.version,
          `\`${result.address}\``,
          result.validation,
          result.isRevokedAtServer ? 'the server' : 'the API',
          result.unknownScope,
          result.audience,
        ],
  )
  const cases = results.flatMap((result) =>
    'skipped' in result
      ? [[result.title, '', '', ...STEPS.map(() => 'not run')]]
      : result.cases.map(({ caseId, settings, outcomes }) => [
          result.title,
          caseId.replace(/^\w+/, '`$&`'),
          settings === '' ? '' : `\`${settings}\``,
          ...STEPS.map((step) => cell(outcomes[step], complaints)),
        ]),
  )
  return [
    markdownTable(
      [
        'server',
        'version',
        'address',
        'tokens verified by',
        'tokens revoked by',
        'a scope not granted',
        '`aud` of the token',
      ],
      servers,
    ),
    markdownTable(
      ['server', '`auth.method`', 'further settings', ...STEPS.map((step) => HEADINGS[step])],
      cases,
    ),
    ...(complaints.length === 0 ? [] : [complaints.join('\n')]),
  ].join('\n\n')
}

/** Why something failed is too long for a cell: it goes into `complaints`, with a number. */
function cell({ verdict, note }: Outcome, complaints: string[]): string {
  if (verdict === 'notRun') return 'not run'
  if (verdict === 'passed') return note === undefined ? 'yes' : `yes: ${note}`
  complaints.push(`${complaints.length + 1}. ${(note ?? 'failed').replaceAll(/\s+/g, ' ')}`)
  return `no (${complaints.length})`
}

/** In columns as wide as their text, as the formatter has it. */
function markdownTable(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = head.map((title, column) =>
    Math.max(3, title.length, ...rows.map((row) => (row[column] ?? '').length)),
  )
  const line = (cells: readonly string[]): string =>
    `| ${widths.map((width, column) => (cells[column] ?? '').padEnd(width)).join(' | ')} |`
  return [line(head), line(widths.map((width) => '-'.repeat(width))), ...rows.map(line)].join('\n')
}
