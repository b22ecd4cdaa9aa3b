import { Command, CommanderError, InvalidArgumentError, Option } from 'commander'
import { closest } from '../lib/closest.ts'
import { VERSION } from '../version.ts'
import { DURATION_PATTERN, parseDurationMs } from '../config/units.ts'
import { ca } from './ca.ts'
import { check, checkJson } from './check.ts'
import { doctor } from './doctor/doctor.ts'
import { exec } from './exec.ts'
import { execEnv } from './exec-env.ts'
import { explain, explainJson } from './explain.ts'
import { health } from './health.ts'
import { init, INIT_DEFAULTS, type InitOptions } from './init.ts'
import { EXIT, type Io } from './io.ts'
import { VARIABLE_FORMATS, type VariableFormat } from './print-variables.ts'
import { run } from './run.ts'
import { schema } from './schema.ts'
import { withEscapes } from './terminal-output.ts'
import { token } from './token.ts'

const DEFAULT_CONFIG = 'token-sidecar.yaml'

/** The options of the commands that read the configuration. */
type Given = {
  readonly config: string
  readonly live?: boolean
  readonly offline?: boolean
  readonly json?: boolean
  readonly header?: readonly string[]
  readonly listener?: string
}

type GivenToExec = {
  readonly config: string
  readonly log?: string
  readonly env?: VariableFormat
  readonly readyTimeout: number
}

type GivenToDoctor = {
  readonly config: string
  readonly environment?: string
  readonly pid?: number
  readonly json?: boolean
}

/** Runs one command line. Returns the exit code. */
export async function main(args: readonly string[], world: Io): Promise<number> {
  const io = withEscapes(world)
  let exitCode: number = EXIT.ok
  const finish = (code: number): void => {
    exitCode = code
  }
  const program = new Command('token-sidecar')
    .description(
      'Gives an application that knows nothing about OAuth the access tokens its APIs demand.',
    )
    .version(VERSION, '-V, --version', 'print the version')
    .helpOption('-h, --help', 'print this help')
    .helpCommand(false)
    .configureOutput({ writeOut: io.out, writeErr: io.err })
    .showSuggestionAfterError()
    .exitOverride()
    .addHelpText('after', HELP)

  const defaultConfig = io.env['TOKEN_SIDECAR_CONFIG'] ?? DEFAULT_CONFIG
  const configOption = ['-c, --config <file>', 'the configuration file', defaultConfig] as const
  const jsonOption = ['--json', 'print one JSON object'] as const

  program
    .command('run', { isDefault: true })
    .description('run the sidecar (the default)')
    .option(...configOption)
    .action(async ({ config }: { config: string }) => finish(await run(config, io)))
  program
    .command('exec')
    .description('run a command with a sidecar of its own, as its proxy')
    .usage('[options] -- <command> [arguments...]')
    .argument('[command...]', 'the command and its arguments, after "--"')
    .option(...configOption)
    .option('--log <file>', 'the file for the log (default: warnings on standard error)')
    .addOption(
      new Option(
        '--ready-timeout <duration>',
        'how long to wait for the tokens before the command is run',
      )
        .argParser(durationOption)
        .default(parseDurationMs('30s'), '30s'),
    )
    .addOption(
      new Option(
        '--env [format]',
        'print the variables of the command instead, for a sidecar that runs elsewhere',
      )
        .choices(VARIABLE_FORMATS)
        .preset('shell'),
    )
    .action(async (command: string[], given: GivenToExec) => {
      const { config: file, env: format, log: logFile, readyTimeout: readyTimeoutMs } = given
      finish(
        await (format === undefined
          ? exec({ file, command, logFile, readyTimeoutMs }, io)
          : execEnv({ file, format }, io)),
      )
    })
  program
    .command('check')
    .description('report all problems of the configuration')
    .option(...configOption)
    .addOption(
      new Option(
        '--live',
        'also fetch each token that a route needs, and connect to each upstream',
      ).conflicts('offline'),
    )
    .option('--offline', 'check the file only: no secrets, other files or variables')
    .option(...jsonOption)
    .action(async ({ config: file, live = false, offline = false, json = false }: Given) =>
      finish(await (json ? checkJson : check)({ file, live, offline }, io)),
    )
  program
    .command('token')
    .description('fetch a token now and show its claims')
    .argument('<credential>', 'the name of the credential in the configuration')
    .option(...configOption)
    .option('--reveal', 'print the token itself, and nothing else')
    .action(async (credential: string, given: { config: string; reveal?: boolean }) => {
      const { config: file, reveal = false } = given
      finish(await token({ credential, file, reveal }, io))
    })
  program
    .command('explain')
    .description('show the route, the upstream and the token of a request, and why')
    .argument('<method>', 'such as GET')
    .argument('<url>', 'a path, or the URL that the application calls')
    .option(
      '-H, --header <header>',
      'a header field of the request, such as "Origin: https://app.example.com"; may be repeated',
      collectField,
    )
    .option('--listener <name>', 'the listener that receives the request (default: the first one)')
    .option(...configOption)
    .option(...jsonOption)
    .action(async (method: string, url: string, given: Given) => {
      const { config: file, header: fields = [], listener, json = false } = given
      const request = { method: method.toUpperCase(), url, fields, listener, file }
      finish(await (json ? explainJson : explain)(request, io))
    })
  program
    .command('doctor')
    .description('explain why requests of an application do not arrive, or get no token')
    .usage('[options] [-- <command> [arguments...]]')
    .argument('[command...]', 'a command to run with a sidecar of its own, after "--"')
    .option(...configOption)
    // Node itself interprets --env-file, even behind the name of the program.
    .option(
      '--environment <file>',
      'the environment of the application, as an env file; then a command is not run, it only names the runtime',
    )
    .addOption(
      new Option('--pid <number>', 'the process whose environment is examined')
        .argParser(processId)
        .conflicts('environment'),
    )
    .option(...jsonOption)
    .action(async (command: string[], given: GivenToDoctor) => {
      const { config: file, environment: envFile, pid, json = false } = given
      finish(await doctor({ file, command, envFile, pid, json }, io))
    })
  program
    .command('ca')
    .description('create the certificate authority for TLS interception, and show what it may sign')
    .option(...configOption)
    .addOption(
      new Option(
        '--root',
        'print the certificates that applications have to trust, in PEM form, and nothing else',
      ).conflicts('json'),
    )
    .option(...jsonOption)
    .action(async (given: { config: string; root?: boolean; json?: boolean }) => {
      const { config: file, root = false, json = false } = given
      finish(await ca({ file, root, json }, io))
    })
  program
    .command('schema')
    .description('print the JSON Schema of the configuration')
    .action(() => finish(schema(io)))
  program
    .command('init')
    .description('write a starter configuration with comments')
    .argument('[file]', 'where to write it, or "-" for standard output', DEFAULT_CONFIG)
    .option('--issuer <url>', `the authorization server (default: "${INIT_DEFAULTS.issuer}")`)
    .addOption(
      new Option('--token-endpoint <url>', 'its token endpoint, without discovery').conflicts(
        'issuer',
      ),
    )
    .option('--client-id <id>', 'the client identifier there', INIT_DEFAULTS.clientId)
    .option(
      '--client-secret-file <file>',
      `the file with the client secret, relative to the configuration (default: "${INIT_DEFAULTS.clientSecretFile}")`,
    )
    .addOption(
      new Option(
        '--client-secret-env <name>',
        'the environment variable with the client secret',
      ).conflicts('clientSecretFile'),
    )
    .option('--scope <scope>', 'a scope to request; may be repeated', collect)
    .option('--upstream <url>', 'the API to call', INIT_DEFAULTS.upstream)
    .option('--path <path>', 'only requests below this path (default: all)')
    .option('--host <host>', 'only requests for this host (default: any)')
    .option('--listen <address>', 'the address for the application', INIT_DEFAULTS.listen)
    .option('--admin <address>', 'the address for metrics, health and status', INIT_DEFAULTS.admin)
    .action(async (file: string, given: InitOptions) => finish(await init(file, given, io)))
  program
    .command('health')
    .description('check the health of the running sidecar; for container health checks')
    .option(...configOption)
    .option('--ready', 'check that it has its tokens (/readyz), not only that it runs (/livez)')
    .action(async ({ config, ready = false }: { config: string; ready?: boolean }) =>
      finish(await health({ file: config, page: ready ? '/readyz' : '/livez' }, io)),
    )
  for (const command of program.commands) command.helpOption('-h, --help', 'print this help')

  const fault = unknownCommand(args, program) ?? missingCommand(args)
  if (fault !== undefined) {
    io.err(fault)
    return EXIT.usage
  }
  try {
    await program.parseAsync([...args], { from: 'user' })
    return exitCode
  } catch (error) {
    // commander has already reported the error, or printed the help.
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.usage
    throw error
  }
}

/** Collects the values of an option that may be repeated. */
function collect(value: string, earlier: readonly string[] = []): string[] {
  return [...earlier, value]
}

/** The names and values, alternating, of an option that takes `Name: value` and may be repeated. */
function collectField(text: string, earlier: readonly string[] = []): string[] {
  const [, name, value] = /^([^\s:]+):[ \t]*([^\r\n]*?)[ \t]*$/.exec(text) ?? []
  if (name === undefined || value === undefined) {
    throw new InvalidArgumentError('expected "Name: value"')
  }
  return [...earlier, name, value]
}

/** commander would treat an unknown command as an argument of the default one. */
function unknownCommand([first = '-']: readonly string[], program: Command): string | undefined {
  const known = program.commands.map((command) => command.name())
  if (first.startsWith('-') || known.includes(first)) return undefined
  const meant = closest(first, known)
  const hint = meant === undefined ? 'see "token-sidecar --help"' : `did you mean "${meant}"?`
  return `error: unknown command "${first}"; ${hint}\n`
}

/** Without "--", options of the command to run would be taken for options of `exec`. */
function missingCommand(args: readonly string[]): string | undefined {
  const [first, ...rest] = args
  if (first !== 'exec' || rest.some((arg) => /^(?:--env(?:=.*)?|--help|-h)$/.test(arg))) {
    return undefined
  }
  const separator = rest.indexOf('--')
  if (separator !== -1 && separator < rest.length - 1) return undefined
  const problem = separator === -1 ? 'expected "--" before the command' : 'no command after "--"'
  return `error: ${problem}: token-sidecar exec -c FILE -- COMMAND ARGUMENTS\n`
}

function processId(text: string): number {
  if (/^[1-9]\d{0,9}$/.test(text)) return Number(text)
  throw new InvalidArgumentError('expected the number of a process')
}

function durationOption(text: string): number {
  if (DURATION_PATTERN.test(text)) return parseDurationMs(text)
  throw new InvalidArgumentError('expected a duration such as "30s"')
}

const HELP = `
Examples:
  $ token-sidecar init --issuer https://login.example.com --upstream https://api.example.com
  $ token-sidecar check --live -c token-sidecar.yaml
  $ token-sidecar token corp -c token-sidecar.yaml
  $ token-sidecar explain GET /orders/7 -c token-sidecar.yaml
  $ token-sidecar exec -c token-sidecar.yaml -- curl https://api.example.com/orders
  $ token-sidecar -c token-sidecar.yaml

Environment:
  TOKEN_SIDECAR_CONFIG  the configuration file if -c is not given

Exit codes:
  0  success
  1  failed: could not start, no route matches, no token, not healthy, a fault was found
  2  the command line is wrong
  3  the configuration is invalid`
