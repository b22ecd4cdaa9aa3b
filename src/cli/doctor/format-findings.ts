import { escapeControls } from '../../lib/escape-controls.ts'
import { formatLines } from '../format-lines.ts'
import { count } from '../read-config.ts'
import type { Paint } from '../paint.ts'
import type { DoctorFacts, DoctorFinding } from './facts.ts'

/** What was examined, and the findings with their fixes, as text. */
export function formatFindings(
  { sidecar, application }: DoctorFacts,
  findings: readonly DoctorFinding[],
  paint: Paint,
): string {
  const examined: [string, string][] = [
    [
      'application',
      application === undefined
        ? 'not examined: give its environment (--environment, --pid) or a command'
        : application.runtimes.map(({ name }) => name).join(', ') || 'unknown runtime',
    ],
    ['sidecar', 'fault' in sidecar ? sidecar.fault : count(sidecar.requests, 'request')],
    ...('fault' in sidecar
      ? []
      : sidecar.interception.map(({ host, handshakes }): [string, string] => [
          'TLS',
          `${host}: ${describeOutcomes(handshakes)}`,
        ])),
  ]
  const shown = findings.map(({ code, runtime, message, fix }) =>
    [
      `\n${paint('red', code)}${runtime === null ? '' : ` (${runtime})`}\n`,
      `  ${escapeControls(message)}\n`,
      `  ${paint('green', 'Fix:')} ${escapeControls(fix)}\n`,
    ].join(''),
  )
  return `${formatLines(
    examined.map(([name, value]) => [name, escapeControls(value)]),
    paint,
  )}${findings.length === 0 ? '\nNo fault found.\n' : shown.join('')}`
}

function describeOutcomes(counts: Readonly<Record<string, number>>): string {
  return (
    Object.entries(counts)
      .filter(([, number]) => number > 0)
      .map(([outcome, number]) => `${outcome} ${number}`)
      .join(', ') || 'no handshakes'
  )
}
