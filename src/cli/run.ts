import { VERSION } from '../version.ts'
import { EXIT, type Io } from './io.ts'
import { catchSignals } from './signals.ts'
import { type LogOutput, start, type Started, stop } from './start.ts'

/** `run`: until SIGTERM or SIGINT, which drain requests in flight; a second signal exits at once. */
export async function run(file: string, io: Io): Promise<number> {
  // Before anything that may hang: process 1 of a container has no default signal handlers.
  const signals = watchSignals()
  const logOutput = { descriptor: STDOUT, name: 'standard output', isTerminal: io.isTerminal }
  const first = await Promise.race([
    start({ file, io, logOutput, onEndable: signals.onSecond }),
    signals.first,
  ])
  if (typeof first === 'number') {
    signals.release()
    return first
  }
  if (typeof first === 'string') {
    io.err(`Stopped by ${first} before the start was complete\n`)
    return EXIT.ok
  }
  announce(first, file)
  return await serve(first, logOutput, signals, io)
}

function announce({ app, log }: Started, file: string): void {
  const { proxyUrl, listeners, adminUrl } = app
  // Half of the heap is garbage from starting, which V8 would not collect before there is load.
  globalThis.gc?.({ type: 'major', execution: 'sync', flavor: 'last-resort' })
  log.logger.info(
    {
      version: VERSION,
      listen: proxyUrl,
      ...(listeners.length > 1 && { listeners }),
      admin: adminUrl,
      config: file,
    },
    'listening',
  )
  // Flushed, because scripts wait for this line.
  log.flush()
}

/** Serves until the first signal, then shuts down. */
async function serve(
  started: Started,
  logOutput: LogOutput,
  signals: Signals,
  io: Io,
): Promise<number> {
  const { app, log } = started
  const signal = await Promise.race([signals.first, app.quit.then(() => 'quit')])
  log.logger.info({ signal }, 'shutting down')
  await stop(started, logOutput, io)
  return EXIT.ok
}

const STDOUT = 1

type Signals = {
  readonly first: Promise<NodeJS.Signals>
  /** What the second signal does; the first one only resolves `first`. */
  readonly onSecond: (callback: () => void) => void
  readonly release: () => void
}

function watchSignals(): Signals {
  const { promise, resolve } = Promise.withResolvers<NodeJS.Signals>()
  let received = 0
  let second: (() => void) | undefined
  const release = catchSignals(['SIGTERM', 'SIGINT'], (signal) => {
    received += 1
    if (received === 1) resolve(signal)
    else second?.()
  })
  return {
    first: promise,
    onSecond(callback) {
      second = callback
    },
    release,
  }
}
