import { main } from './command-line.ts'

const interruption = new AbortController()
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  // The second signal does not wait for an orderly end.
  process.on(signal, () => (interruption.signal.aborted ? process.exit(1) : interruption.abort()))
}

process.exitCode = await main(process.argv.slice(2), {
  out: (text) => void process.stdout.write(text),
  err: (text) => void process.stderr.write(text),
  signal: interruption.signal,
})
