import { isatty } from 'node:tty'
import { createBoundedWriter } from '../lib/bounded-writer.ts'
import { endProcess } from './end-process.ts'
import { EXIT, type Io } from './io.ts'

const STDOUT = 1
const STDERR = 2
/** Far more than any command reports. */
const MAX_ERROR_LENGTH = 256 * 1024
/** How long a standard error that is not read may delay the exit. */
const STDERR_DRAIN_MS = 200

export type ProcessIo = {
  readonly io: Io
  /** Waits until the output is written, then ends the process. */
  readonly finish: (code: number) => Promise<void>
}

/** The outputs and the environment of this process. */
export function createProcessIo(): ProcessIo {
  const stderr = createBoundedWriter({
    descriptor: STDERR,
    minLength: 0,
    maxLength: MAX_ERROR_LENGTH,
  })
  let hasOutput = false
  let outputError: string | undefined

  // process.stdout is created on first use: creating it changes the mode of a descriptor that may be shared.
  const out = (text: string): void => {
    if (!hasOutput) {
      process.stdout.on('error', (error) => {
        outputError ??= 'code' in error ? String(error.code) : 'unknown error'
      })
    }
    hasOutput = true
    process.stdout.write(text)
  }

  const exit = (code: number): void =>
    void stderr.drain(STDERR_DRAIN_MS).then(() => endProcess(code))

  return {
    io: {
      out,
      err: stderr.write,
      env: process.env,
      isTerminal: isatty(STDOUT),
      isErrTerminal: isatty(STDERR),
      exit,
    },
    async finish(code) {
      if (hasOutput) await new Promise((resolve) => void process.stdout.write('', resolve))
      // EPIPE is expected when a reader such as "head" exits early.
      if (outputError === undefined || outputError === 'EPIPE') exit(code)
      else {
        stderr.write(`Cannot write to standard output: ${outputError}\n`)
        exit(code === EXIT.ok ? EXIT.failed : code)
      }
    },
  }
}
