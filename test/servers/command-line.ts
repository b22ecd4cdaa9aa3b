import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Command, CommanderError } from 'commander'
import { createProcesses } from '../../bench/system/processes.ts'
import type { AuthorizationServer } from './authorization-server.ts'
import { authlib } from './authlib.ts'
import { djangoOauthToolkit } from './django-oauth-toolkit.ts'
import { glewlwyd } from './glewlwyd.ts'
import { hydra } from './hydra.ts'
import { createInstaller } from './installer.ts'
import { keycloak } from './keycloak.ts'
import { type LifeCycleOptions, runLifeCycle } from './life-cycle.ts'
import { replaceTable } from './replace-table.ts'
import { resultTables } from './result-tables.ts'
import { hasFailed, type ServerResult } from './results.ts'
import { spring } from './spring.ts'

const SERVERS: readonly AuthorizationServer[] = [
  keycloak,
  hydra,
  spring,
  authlib,
  djangoOauthToolkit,
  glewlwyd,
]

type Io = {
  out(text: string): void
  err(text: string): void
  readonly signal: AbortSignal
}

type Given = {
  readonly server?: readonly string[]
  readonly list?: boolean
  readonly keep?: boolean
  readonly write?: boolean
}

const DOCS = join(import.meta.dirname, '../../docs/providers.md')

/** Returns the exit code: 1 if a step failed, 2 for a wrong command line. */
export async function main(args: readonly string[], io: Io): Promise<number> {
  let exitCode = 0
  const program = new Command('npm run test:servers --')
    .description('Runs the sidecar against real authorization servers.')
    .configureOutput({ writeOut: io.out, writeErr: io.err })
    .allowExcessArguments(false)
    .exitOverride()
    .option('--server <name>', 'only this server; may be repeated', collect)
    .option('--list', 'list the servers and their clients, and run nothing')
    .option('--keep', 'keep the directory with configurations, logs and databases')
    .option('--write', 'write the tables into docs/providers.md')
    .action(async (given: Given) => {
      exitCode = await run(given, io)
    })
  try {
    await program.parseAsync([...args], { from: 'user' })
    return exitCode
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error
    return error.exitCode === 0 ? 0 : 2
  }
}

async function run(given: Given, io: Io): Promise<number> {
  const unknown = given.server?.find((name) => SERVERS.every((each) => each.name !== name))
  if (unknown !== undefined) {
    io.err(`Cannot run "${unknown}": expected ${SERVERS.map(({ name }) => name).join(', ')}\n`)
    return 2
  }
  const chosen = SERVERS.filter(({ name }) => given.server?.includes(name) ?? true)
  if (given.list === true) {
    for (const { name, cases } of chosen) {
      io.out(`${name}: ${cases.map(({ id }) => id).join('; ')}\n`)
    }
    return 0
  }
  if (given.write === true && chosen.length < SERVERS.length) {
    io.err('Cannot write the tables: they need a run of all servers\n')
    return 2
  }

  const results: ServerResult[] = []
  const directory = await mkdtemp(join(tmpdir(), 'token-sidecar-servers-'))
  const processes = createProcesses()
  try {
    for (const server of chosen) {
      if (io.signal.aborted) break
      const startMs = performance.now()
      const progress = (text: string): void => {
        const seconds = Math.round((performance.now() - startMs) / 1000)
        io.err(`${server.name} [${seconds} s]: ${text}\n`)
      }
      const installer = createInstaller(progress)
      results.push(
        await runOrReport(server, {
          directory,
          installer,
          processes,
          progress,
          signal: io.signal,
        }),
      )
      progress('done')
    }
  } finally {
    await processes.close()
    if (given.keep === true) io.err(`Kept ${directory}\n`)
    else await rm(directory, { recursive: true, force: true })
  }
  const tables = resultTables(results)
  io.out(`${tables}\n`)
  if (io.signal.aborted) return 1
  if (given.write === true)
    await writeFile(DOCS, replaceTable(await readFile(DOCS, 'utf8'), tables))
  return results.some(hasFailed) ? 1 : 0
}

/** Reports a server that does not start, so that the next one is still tested. */
async function runOrReport(
  server: AuthorizationServer,
  options: LifeCycleOptions,
): Promise<ServerResult> {
  try {
    return await runLifeCycle(server, options)
  } catch (error) {
    const { name, title } = server
    return { name, title, broken: error instanceof Error ? error.message : String(error) }
  }
}

function collect(value: string, before: readonly string[] = []): readonly string[] {
  return [...before, value]
}
