import type { CompletedCommand, CompletedOption, CompletionWords } from './completion-words.ts'

export function zshCompletion({ program, commands, options }: CompletionWords): string {
  return `#compdef ${program}
# Completion of ${program} for zsh: eval "$(${program} completion zsh)"
_${program}() {
  local curcontext="$curcontext" state line
  typeset -A opt_args
  _arguments -C \\
${options.map((option) => `    ${optionSpec(option)} \\\n`).join('')}    '(-)1: :->command' '(-)*:: :->argument'
  case $state in
    command)
      local -a commands=(
${commands.map(({ name, description }) => `        ${quote(`${name}:${description}`)}\n`).join('')}      )
      _describe command commands
      ;;
    argument)
      case $words[1] in
${commands.map(commandCase).join('')}      esac
      ;;
  esac
}
_${program}-credentials() {
  local -a names=(\${(f)"$(${program} complete-credentials -- $words 2>/dev/null)"})
  compadd -a names
}
if [[ $funcstack[1] == _${program} ]]; then _${program} "$@"; else compdef _${program} ${program}; fi
`

  function commandCase(command: CompletedCommand): string {
    const specs = [
      ...command.options.map(optionSpec),
      ...command.arguments.map(({ name, value }, index) =>
        quote(`${index + 1}:${name}:${action(value)}`),
      ),
    ]
    return `        ${command.name}) _arguments ${specs.join(' ')} ;;\n`
  }

  function optionSpec({ short, long, description, value }: CompletedOption): string {
    const about = quote(
      `[${description.replaceAll(/[[\]\\:]/g, String.raw`\$&`)}]${value === 'none' ? '' : `:value:${action(value)}`}`,
    )
    return short === undefined
      ? `${long}${about}`
      : `'(${short} ${long})'{${short},${long}}${about}`
  }

  function action(value: CompletedOption['value']): string {
    if (value === 'file') return '_files'
    if (value === 'credential') return `_${program}-credentials`
    // A space means: nothing that could be offered.
    return typeof value === 'string' ? ' ' : `(${value.join(' ')})`
  }
}

function quote(text: string): string {
  return `'${text.replaceAll("'", String.raw`'\''`)}'`
}
