import { spawn } from 'node:child_process'
import { constants } from 'node:os'
import { isInForeground } from './foreground.ts'

export type RunningCommand = {
  /** The exit code of the command, or that of a shell for one that could not be run or was ended by a signal. */
  readonly ended: Promise<{ readonly exitCode: number; readonly fault?: string }>
  /** Passes on a signal that this process received. */
  readonly forward: (signal: NodeJS.Signals) => void
}

/** Signals that are passed on to the command. */
export const FORWARDED_SIGNALS: readonly NodeJS.Signals[] = [
  'SIGTERM',
  'SIGINT',
  'SIGHUP',
  'SIGQUIT',
  'SIGUSR1',
  'SIGUSR2',
]

/** Signals that a terminal sends to the whole process group in the foreground. */
const TERMINAL_SIGNALS: ReadonlySet<string> = new Set(['SIGINT', 'SIGQUIT'])

const STDERR = 2

/** The exit codes of a shell for a command that it cannot run. */
const NOT_FOUND = 127
const NOT_EXECUTABLE = 126

/**
 * Runs a command in the same process group, with the same terminal, standard input and outputs. It ends with the
 * command itself, even if other processes still have its outputs open.
 */
export function runCommand(
  [program = '', ...args]: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
  stdout: 'inherit' | 'stderr' = 'inherit',
): RunningCommand {
  const ended = Promise.withResolvers<{ exitCode: number; fault?: string }>()
  const stdio = ['inherit', stdout === 'inherit' ? 'inherit' : STDERR, 'inherit'] as const
  const child = spawn(program, args, { env, stdio: [...stdio] })
  child.on('error', (error) => {
    const code = 'code' in error ? String(error.code) : 'unknown error'
    ended.resolve(
      code === 'ENOENT'
        ? { exitCode: NOT_FOUND, fault: `Cannot run "${program}": command not found` }
        : { exitCode: NOT_EXECUTABLE, fault: `Cannot run "${program}": ${reasonOf(code)}` },
    )
  })
  child.on('exit', (code, signal) => {
    ended.resolve({ exitCode: code ?? signalExitCode(signal) })
  })
  return {
    ended: ended.promise,
    forward(signal) {
      if (TERMINAL_SIGNALS.has(signal) && isInForeground()) return
      child.kill(signal)
    },
  }
}

/** As a shell reports it. */
export function signalExitCode(signal: NodeJS.Signals | null): number {
  return 128 + (signal === null ? 0 : constants.signals[signal])
}

function reasonOf(code: string): string {
  const reasons: Readonly<Record<string, string>> = {
    EACCES: 'permission denied',
    E2BIG: 'the arguments and the environment are too long',
  }
  return reasons[code] ?? code
}
