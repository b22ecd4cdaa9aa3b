import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createProcesses } from '../../bench/system/processes.ts'
import { runGrpcCases } from './grpc-cases.ts'
import { grpcGo } from './grpc-go.ts'
import { grpcio } from './grpcio.ts'
import { runH2spec } from './h2spec.ts'
import { buildPrograms } from './programs.ts'
import { createStage } from './stage.ts'
import { differences, grpcTables, h2specTable } from './tables.ts'

const progress = (text: string): void => void process.stderr.write(`${text}\n`)

/** Runs the parts that the command line names, or both: `grpc` and `h2spec`. Returns the exit code: 1 if something fails through the sidecar that works without it. */
async function main(): Promise<number> {
  const programs = await buildPrograms(progress)
  await using stack = new AsyncDisposableStack()
  const directory = await mkdtemp(join(tmpdir(), 'token-sidecar-interop-'))
  stack.defer(async () => await rm(directory, { recursive: true, force: true }))
  const processes = createProcesses()
  stack.defer(processes.close)
  const stage = await createStage(directory, stack)

  const parts = process.argv.slice(2)
  const runs = (part: string): boolean => parts.length === 0 || parts.includes(part)
  const clients = [grpcGo(programs.client), grpcio(programs.python)]
  const grpc = runs('grpc')
    ? await runGrpcCases(clients, programs.server, stage, processes, progress)
    : []
  const h2spec = runs('h2spec') ? await runH2spec(programs, stage, stack, directory, progress) : []
  const different = differences(grpc, h2spec)
  const failed = h2spec.flatMap(({ server, failed: names }) =>
    names.map((name) => `- ${server}: ${name}`),
  )
  process.stdout.write(
    `${[
      grpcTables(grpc),
      h2specTable(h2spec),
      `Failed in h2spec:\n${failed.join('\n')}`,
      different.length === 0
        ? 'No case fails through the sidecar that works without it.'
        : `Only through the sidecar:\n${different.join('\n')}`,
    ].join('\n\n')}\n`,
  )
  return different.length === 0 ? 0 : 1
}

// On exit, the processes that were started are killed.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.once(signal, () => process.exit(1))
}

process.exitCode = await main()
