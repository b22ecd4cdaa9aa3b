import { spawnSync } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { ProgramName } from '../../scripts/program-support.ts'
import { run } from '../helpers/http-clients.ts'
import { findPrograms } from '../helpers/tools.ts'
import { GO_CLIENT, JAVA_CLIENTS, NODE_CLIENTS, PYTHON_CLIENTS } from './sources.ts'

/** A program that knows nothing of the sidecar, requests a URL and prints the response body. */
export type UnmodifiedProgram = {
  readonly isInstalled: boolean
  /** Whether it may be missing even with REQUIRE_TOOLS. */
  readonly isOptional?: boolean
  /** Whether it is a gRPC client, which prints the response message. */
  readonly isGrpc?: boolean
  /** Compiles it in a directory; returns the command, to which the URL is appended. */
  readonly prepare: (directory: string) => Promise<readonly string[]>
}

function installed(name: string): boolean {
  return findPrograms(name).length > 0
}

/** A Python that can import the module. */
function pythonWith(module: string): string | undefined {
  return findPrograms('python3').find(
    (candidate) => spawnSync(candidate, ['-c', `import ${module}`]).status === 0,
  )
}

function python(client: keyof typeof PYTHON_CLIENTS, module: string): UnmodifiedProgram {
  const interpreter = pythonWith(module)
  return {
    isInstalled: interpreter !== undefined,
    prepare: async () => [interpreter ?? 'python3', '-c', PYTHON_CLIENTS[client]],
  }
}

/** Another Node on the PATH, with this major version. */
function nodeOf(major: number): string | undefined {
  return findPrograms('node').find((candidate) =>
    spawnSync(candidate, ['--version']).stdout.toString().startsWith(`v${major}.`),
  )
}

function node(
  client: keyof typeof NODE_CLIENTS,
  interpreter: string | undefined,
): UnmodifiedProgram {
  return {
    isInstalled: interpreter !== undefined,
    isOptional: true,
    prepare: async () => [interpreter ?? 'node', '-e', NODE_CLIENTS[client]],
  }
}

function java(client: keyof typeof JAVA_CLIENTS): UnmodifiedProgram {
  return {
    isInstalled: installed('java') && installed('javac'),
    async prepare(directory) {
      const source = join(directory, `${client}.java`)
      await writeFile(source, JAVA_CLIENTS[client])
      await succeed('javac', ['-d', directory, source])
      return ['java', '-cp', directory, client]
    },
  }
}

async function succeed(program: string, args: readonly string[]): Promise<void> {
  const { code, out, err } = await run(program, args, { env: { GO111MODULE: 'off' } })
  if (code !== 0) throw new Error(`${program} ended with ${code}: ${out}${err}`)
}

const NODE_20 = nodeOf(20)

export const PROGRAMS: Readonly<Record<ProgramName, UnmodifiedProgram>> = {
  curl: {
    isInstalled: installed('curl'),
    prepare: async () => ['curl', '--silent', '--show-error'],
  },
  wget: {
    isInstalled: installed('wget'),
    prepare: async () => ['wget', '--quiet', '--tries=1', '--output-document=-'],
  },
  git: {
    isInstalled: installed('git'),
    prepare: async () => ['git', 'ls-remote'],
  },
  'Python urllib': python('urllib', 'urllib.request'),
  'Python requests': python('requests', 'requests'),
  'Python httpx': python('httpx', 'httpx'),
  'Python aiohttp': { ...python('aiohttp', 'aiohttp'), isOptional: true },
  'Node.js 26 fetch': node('fetch', process.execPath),
  'Node.js 26 node:https': node('https', process.execPath),
  'Node.js 26 axios': node('axios', process.execPath),
  'Node.js 20 fetch': node('fetch', NODE_20),
  'Node.js 20 axios': node('axios', NODE_20),
  'Java HttpClient': java('JavaHttpClient'),
  'Java HttpURLConnection': java('JavaUrlConnection'),
  'Go net/http': {
    isInstalled: installed('go'),
    async prepare(directory) {
      const source = join(directory, 'client.go')
      await writeFile(source, GO_CLIENT)
      await succeed('go', ['build', '-o', join(directory, 'go-client'), source])
      return [join(directory, 'go-client')]
    },
  },
  'gRPC for Node.js': { ...node('grpc', process.execPath), isGrpc: true },
  'gRPC for Python': { ...python('grpc', 'grpc'), isGrpc: true },
}
