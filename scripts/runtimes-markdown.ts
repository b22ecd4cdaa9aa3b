import { type ProxySetting, RUNTIMES, type TrustSetting } from '../src/cli/runtimes.ts'
import { PROGRAM_MODES, PROGRAM_SUPPORT, type ProgramSupport } from './program-support.ts'

/** Replaces the tables of docs/runtimes.md, which are between comments. */
export function withRuntimeTables(markdown: string): string {
  return withTable(
    withTable(markdown, 'tested programs', programTable(PROGRAM_SUPPORT)),
    'runtimes',
    runtimeTable(),
  )
}

function withTable(markdown: string, name: string, content: string): string {
  const start = `<!-- generated: ${name} -->\n`
  const end = `<!-- end of ${name} -->`
  const from = markdown.indexOf(start)
  const to = markdown.indexOf(end)
  if (from === -1 || to < from) throw new Error(`Cannot find the place of the table "${name}"`)
  return `${markdown.slice(0, from + start.length)}\n${content}\n${markdown.slice(to)}`
}

function programTable(programs: readonly ProgramSupport[]): string {
  const modes = Object.keys(PROGRAM_MODES)
  const rows = programs.map(({ program, fails = {} }) => {
    const reasons = new Map(Object.entries(fails))
    return [program, ...modes.map((mode) => reasons.get(mode) ?? 'yes')]
  })
  return table(['Program', ...modes], rows)
}

function runtimeTable(): string {
  const rows = RUNTIMES.map(({ name, proxy, trust, note = '' }) => [
    name,
    proxyCell(proxy),
    trustCell(trust),
    note,
  ])
  return table(['Runtime', 'Proxy for https', 'CA', 'Note'], rows)
}

function proxyCell(setting: ProxySetting): string {
  switch (setting.kind) {
    case 'variables': {
      const enabled = setting.enabledBy === undefined ? '' : ` with \`${setting.enabledBy}=1\``
      return names(setting.names) + enabled
    }
    case 'jvm': {
      return '`-Dhttps.proxyHost`, `-Dhttps.proxyPort` in `JAVA_TOOL_OPTIONS`'
    }
    case 'none': {
      return `none: ${setting.instead}`
    }
  }
}

function trustCell(setting: TrustSetting): string {
  switch (setting.kind) {
    case 'variables': {
      return names(setting.names)
    }
    case 'wgetrc': {
      return '`ca_certificate` in the file `WGETRC`'
    }
    case 'jvm': {
      return '`-Djavax.net.ssl.trustStore`, `-Djavax.net.ssl.trustStorePassword`'
    }
    case 'none': {
      return `none: ${setting.instead}`
    }
  }
}

function names(variables: readonly string[]): string {
  return variables.map((name) => `\`${name}\``).join(', ')
}

/** Aligned as the formatter does it. */
function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = head.map((title, column) =>
    Math.max(title.length, ...rows.map((row) => (row[column] ?? '').length)),
  )
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(' | ')} |\n`
  const rule = `| ${widths.map((width) => '-'.repeat(width)).join(' | ')} |\n`
  return [line(head), rule, ...rows.map(line)].join('')
}
