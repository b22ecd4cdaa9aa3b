import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { findProgram } from '../../bench/system/find-program.ts'

/** Paths of the programs of the gRPC project, of h2spec, and of a Python with grpcio. */
export type Programs = {
  readonly client: string
  readonly server: string
  readonly h2spec: string
  readonly python: string
}

const PACKAGES: Readonly<Record<Exclude<keyof Programs, 'python'>, string>> = {
  client: 'google.golang.org/grpc/interop/client',
  server: 'google.golang.org/grpc/interop/server',
  h2spec: 'github.com/summerwind/h2spec/cmd/h2spec',
}

const BUILD_DEADLINE_MS = 10 * 60_000

/** Builds the programs with Go, and installs grpcio in a virtual environment, unless an earlier run has. */
export async function buildPrograms(progress: (text: string) => void): Promise<Programs> {
  const directory = join(tmpdir(), 'token-sidecar-interop', 'bin')
  await mkdir(directory, { recursive: true })
  const build = async (name: keyof typeof PACKAGES): Promise<string> => {
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
    python: await installGrpcio(join(tmpdir(), 'token-sidecar-interop', 'python'), progress),
  }
}

async function installGrpcio(directory: string, progress: (text: string) => void): Promise<string> {
  const python = join(directory, 'bin', 'python')
  const isInstalled = existsSync(python) && (await succeeds(python, ['-c', 'import grpc']))
  if (isInstalled) return python
  progress('installing grpcio')
  const system = findProgram('python3')
  if (system === undefined) throw new Error('Cannot install grpcio: no "python3" on the PATH')
  const options = { timeout: BUILD_DEADLINE_MS }
  await promisify(execFile)(system, ['-m', 'venv', directory], options)
  await promisify(execFile)(python, ['-m', 'pip', 'install', '--quiet', 'grpcio'], options)
  return python
}

async function succeeds(program: string, args: readonly string[]): Promise<boolean> {
  try {
    await promisify(execFile)(program, args)
    return true
  } catch {
    return false
  }
}
