import type { Command, Option } from 'commander'

/** What a shell may offer: all that the command line can be made of. */
export type CompletionWords = {
  readonly program: string
  readonly commands: readonly CompletedCommand[]
  /** What may stand before any command; those of the default one among them. */
  readonly options: readonly CompletedOption[]
}

export type CompletedCommand = {
  readonly name: string
  readonly description: string
  readonly options: readonly CompletedOption[]
  readonly arguments: readonly CompletedArgument[]
}

export type CompletedOption = {
  /** `-c`, for some. */
  readonly short: string | undefined
  /** `--config` */
  readonly long: string
  readonly description: string
  readonly value: Value
}

type CompletedArgument = { readonly name: string; readonly value: Value }

/** `none` for an option that is just there or not, `own` for what only the user knows. */
type Value = 'none' | 'own' | 'file' | 'credential' | readonly string[]

export function completionWords(program: Command, defaultCommand: string): CompletionWords {
  const help = program.createHelp()
  const optionsOf = (command: Command): CompletedOption[] =>
    help.visibleOptions(command).map(completedOption)
  // It completes itself, and so do those that are hidden.
  const commands = help.visibleCommands(program).map((command) => ({
    name: command.name(),
    description: command.description(),
    options: optionsOf(command),
    arguments: command.registeredArguments.map((argument) => ({
      name: argument.name(),
      value: argument.argChoices ?? valueOf(argument.name()),
    })),
  }))
  const ofDefault = commands.find(({ name }) => name === defaultCommand)?.options ?? []
  const own = optionsOf(program)
  const isOwn = (option: CompletedOption) => own.some(({ long }) => long === option.long)
  return {
    program: program.name(),
    commands,
    options: [...own, ...ofDefault.filter((option) => !isOwn(option))],
  }
}

function completedOption({ short, long = '', description, flags }: Option): CompletedOption {
  const [, name] = /<(\w+)>/.exec(flags) ?? []
  return { short, long, description, value: name === undefined ? 'none' : valueOf(name) }
}

/** What stands for a value in the help says what kind it is. */
function valueOf(name: string): Value {
  switch (name) {
    case 'file':
    case 'credential': {
      return name
    }
    case 'method': {
      return ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']
    }
    default: {
      return 'own'
    }
  }
}
