import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { findProgram } from '../../bench/system/find-program.ts'

/** Paths of the programs of the gRPC project, and of h2spec. */
export type Programs = {
  readonly client: string
  readonly server: string
  readonly h2spec: string
}

const PACKAGES: Readonly<Record<keyof Programs, string>> = {
  client: 'google.golang.org/grpc/interop/client',
  server: 'google.golang.org/grpc/interop/server',
  h2spec: 'github.com/summerwind/h2spec/cmd/h2spec',
}

const BUILD_DEADLINE_MS = 10 * 60_000

/** Builds the programs with Go, unless an earlier run has. */
export async function buildPrograms(progress: (text: string) => void): Promise<Programs> {
  const directory = join(tmpdir(), 'token-sidecar-interop', 'bin')
  await mkdir(directory, { recursive: true })
  const build = async (name: keyof Programs): Promise<string> => {
    const program = join(directory, name)
    if (existsSync(program)) return program
    progress(`building ${PACKAGES[name]}`)
    const go = findProgram('go')
    if (go === undefined) throw new Error(`Cannot build ${PACKAGES[name]}: no "go" on the PATH`)
    await promisify(execFile)(go, ['install', `${PACKAGES[name]}@latest`], {
      env: { ...process.env, GOBIN: directory },
      timeout: BUILD_DEADLINE_MS,
    })
    return program
  }
  return {
    client: await build('client'),
    server: await build('server'),
    h2spec: await build('h2spec'),
  }
}
