import { main } from './command-line.ts'

const interruption = new AbortController()
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  // A second signal exits at once, without a graceful shutdown.
  process.on(signal, () => (interruption.signal.aborted ? process.exit(1) : interruption.abort()))
}

process.exitCode = await main(process.argv.slice(2), {
  out: (text) => void process.stdout.write(text),
  err: (text) => void process.stderr.write(text),
  isErrTerminal: process.stderr.isTTY,
  signal: interruption.signal,
})
