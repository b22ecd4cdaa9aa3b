import type { CompletedOption, CompletionWords } from './completion-words.ts'

/** Also for the bash 3.2 of macOS: no `mapfile`, no associative arrays. */
export function bashCompletion({ program, commands, options }: CompletionWords): string {
  const all = [options, ...commands.map((command) => command.options)].flat()
  const files = flagsWhere(all, (option) => option.value === 'file')
  const valued = flagsWhere(all, (option) => option.value !== 'none')
  return `# Completion of ${program} for bash: eval "$(${program} completion bash)"
_${name(program)}() {
  local cur=\${COMP_WORDS[COMP_CWORD]} prev=\${COMP_WORDS[COMP_CWORD - 1]}
  local command='' position=0 options='' words='' index
  # bash takes "--config=a" for three words.
  if [[ $cur == '=' ]]; then cur=''; elif [[ $prev == '=' ]]; then prev=\${COMP_WORDS[COMP_CWORD - 2]}; fi
  for ((index = 1; index < COMP_CWORD; index++)); do
    case \${COMP_WORDS[index]} in
      ${valued.join('|')})
        if [[ \${COMP_WORDS[index + 1]} == '=' ]]; then index=$((index + 2)); else index=$((index + 1)); fi
        ;;
      -*) ;;
      *) if [[ -z $command ]]; then command=\${COMP_WORDS[index]}; else position=$((position + 1)); fi ;;
    esac
  done
  COMPREPLY=()
  case $prev in
    ${files.join('|')}) _${name(program)}_files "$cur"; return ;;
    ${valued.filter((flag) => !files.includes(flag)).join('|')}) return ;;
  esac
  case $command in
    '')
      options='${flagsOf(options).join(' ')}'
      words='${commands.map((command) => command.name).join(' ')}'
      ;;
${commands
  .map((command) => `    ${command.name}) options='${flagsOf(command.options).join(' ')}' ;;\n`)
  .join('')}  esac
  case $command:$position in
${commands.flatMap(argumentLines(program)).join('')}  esac
  if [[ $cur == -* ]]; then words=$options; fi
  COMPREPLY+=($(compgen -W "$words" -- "$cur"))
}
_${name(program)}_files() {
  local file
  while IFS= read -r file; do COMPREPLY+=("$file"); done < <(compgen -f -- "$1")
  # So that a directory ends in a slash, and odd characters are escaped; bash 3.2 can't.
  compopt -o filenames 2>/dev/null
}
complete -F _${name(program)} ${program}
`
}

function argumentLines(program: string) {
  return ({ name: command, arguments: given }: CompletionWords['commands'][number]): string[] =>
    given.flatMap(({ value }, position) => {
      const at = `    ${command}:${position})`
      if (value === 'file') {
        return [`${at} if [[ $cur != -* ]]; then _${name(program)}_files "$cur"; return; fi ;;\n`]
      }
      if (value === 'credential') {
        return [
          `${at} words=$("\${COMP_WORDS[0]}" complete-credentials -- "\${COMP_WORDS[@]}" 2>/dev/null) ;;\n`,
        ]
      }
      return typeof value === 'string' ? [] : [`${at} words='${value.join(' ')}' ;;\n`]
    })
}

/** As part of the name of a function. */
function name(program: string): string {
  return program.replaceAll('-', '_')
}

function flagsOf(options: readonly CompletedOption[]): string[] {
  return options.flatMap(({ short, long }) => (short === undefined ? [long] : [short, long]))
}

function flagsWhere(
  options: readonly CompletedOption[],
  isWanted: (option: CompletedOption) => boolean,
): string[] {
  return [...new Set(flagsOf(options.filter(isWanted)))]
}
