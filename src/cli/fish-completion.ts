import type { CompletedCommand, CompletedOption, CompletionWords } from './completion-words.ts'

export function fishCompletion({ program, commands, options }: CompletionWords): string {
  const top = '__fish_use_subcommand'
  return [
    `# Completion of ${program} for fish: ${program} completion fish | source`,
    `complete -c ${program} -f`,
    ...options.map((option) => line(top, optionWords(option))),
    ...commands.map(({ name, description }) => line(top, `-a ${name} -d ${quote(description)}`)),
    ...commands.flatMap((command) => commandLines(command)),
    '',
  ].join('\n')

  function line(condition: string, rest: string): string {
    return `complete -c ${program} -n ${quote(condition)} ${rest}`
  }

  function commandLines({ name, options: own, arguments: given }: CompletedCommand): string[] {
    const seen = `__fish_seen_subcommand_from ${name}`
    const values = given.flatMap(({ value }) => {
      if (value === 'file') return ['-F']
      if (value === 'credential') {
        return [
          `-a ${quote(`(${program} complete-credentials -- (commandline -opc) 2>/dev/null)`)}`,
        ]
      }
      return typeof value === 'string' ? [] : [`-a ${quote(value.join(' '))}`]
    })
    return [...own.map(optionWords), ...values].map((rest) => line(seen, rest))
  }
}

function optionWords({ short, long, description, value }: CompletedOption): string {
  return [
    ...(short === undefined ? [] : [`-s ${short.slice(1)}`]),
    `-l ${long.slice(2)}`,
    ...(value === 'none' ? [] : [value === 'file' ? '-r -F' : '-x']),
    `-d ${quote(description)}`,
  ].join(' ')
}

/** Within single quotes fish knows two escapes. */
function quote(text: string): string {
  return `'${text.replaceAll(/['\\]/g, String.raw`\$&`)}'`
}
