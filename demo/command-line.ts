import { PORTS } from './ports.ts'

export type CommandLine =
  | { readonly kind: 'run'; readonly isOnce: boolean }
  | { readonly kind: 'help' }
  | { readonly kind: 'wrong'; readonly message: string }

export function parseCommandLine(args: readonly string[]): CommandLine {
  const unknown = args.find((arg) => !['--once', '--help', '-h'].includes(arg))
  if (unknown !== undefined) {
    return { kind: 'wrong', message: `Cannot run the demo: unknown argument "${unknown}"` }
  }
  if (args.includes('--help') || args.includes('-h')) return { kind: 'help' }
  return { kind: 'run', isOnce: args.includes('--once') }
}

export const USAGE = `Usage: npm run demo [-- --once]

Starts an authorization server, an API that wants a token, and token-sidecar between an application
and that API, shows step by step what happens, and keeps running until Ctrl-C.

  --once      end after the last step: with 0 if each step did what it says, else with 1
  -h, --help  print this help

Environment:
${Object.values(PORTS)
  .map(({ variable, usual, what }) => `  ${variable.padEnd(31)} port of ${what} (${usual})\n`)
  .join('')}`
