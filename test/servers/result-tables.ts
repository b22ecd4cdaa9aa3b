import { type Outcome, type ServerResult, STEPS, type Step } from './results.ts'

const HEADINGS: Readonly<Record<Step, string>> = {
  token: 'token',
  renewal: 'renewal',
  rejectedToken: 'rejected token',
  wrongCredentials: 'wrong secret or key',
  rotation: 'rotation',
  restart: 'restart',
}

/** Two Markdown tables: the servers, and the results of their clients. */
export function resultTables(results: readonly ServerResult[]): string {
  const failures: string[] = []
  const servers = results.map((result) =>
    'cases' in result
      ? [
          result.title,
          result.version,
          `\`${result.address}\``,
          result.validation,
          result.isRevokedAtServer ? 'the server' : 'the API',
          result.unknownScope,
          result.audience,
        ]
      : [result.title, ...absence(result, failures)],
  )
  const cases = results.flatMap((result) =>
    'cases' in result
      ? result.cases.map(({ caseId, settings, outcomes }) => [
          result.title,
          caseId.replace(/^\w+/, '`$&`'),
          settings === '' ? '' : `\`${settings}\``,
          ...STEPS.map((step) => cell(outcomes[step], failures)),
        ])
      : [[result.title, '', '', ...STEPS.map(() => 'not run')]],
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
    ...(failures.length === 0
      ? []
      : [failures.map((text, index) => `${index + 1}. ${text}`).join('\n')]),
  ].join('\n\n')
}

/** The reason of a failure is too long for a cell, so it becomes a numbered note in `failures`. */
function cell({ result, note }: Outcome, failures: string[]): string {
  if (result === 'notRun') return 'not run'
  if (result === 'passed') return note === undefined ? 'yes' : `yes: ${note}`
  return `no (${numberOf(note ?? 'failed', failures)})`
}

function absence(
  result: { readonly skipped: string } | { readonly broken: string },
  failures: string[],
): string[] {
  return 'skipped' in result
    ? [`skipped (${numberOf(result.skipped, failures)})`]
    : [`broken (${numberOf(result.broken, failures)})`]
}

/** The number of a failure. Equal failures share a number; ports are replaced because they differ between runs. */
function numberOf(failure: string, failures: string[]): number {
  const text = failure.replaceAll(/127\.0\.0\.1:\d+/g, 'HOST').replaceAll(/\s+/g, ' ')
  const index = failures.indexOf(text)
  return index === -1 ? failures.push(text) : index + 1
}

/** Columns are padded, as the formatter does. */
function markdownTable(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = head.map((title, column) =>
    Math.max(3, title.length, ...rows.map((row) => (row[column] ?? '').length)),
  )
  const line = (cells: readonly string[]): string =>
    `| ${widths.map((width, column) => (cells[column] ?? '').padEnd(width)).join(' | ')} |`
  return [line(head), line(widths.map((width) => '-'.repeat(width))), ...rows.map(line)].join('\n')
}
