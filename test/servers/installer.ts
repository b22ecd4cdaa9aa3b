import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdir, readdir, readFile, rename, rm } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { findProgram } from '../../bench/system/find-program.ts'
import { NotInstallable } from './authorization-server.ts'

/** Downloads and builds servers, with a cache. */
export type Installer = {
  /** A directory of the cache; `build` fills it, once for each `key`. */
  cached(key: string, build: (directory: string) => Promise<void>): Promise<string>
  /** A program that must be installed. */
  need(program: string, packageHint: string): string
  run(command: string, args: readonly string[], options?: RunOptions): Promise<string>
}

type RunOptions = {
  readonly cwd?: string
  readonly env?: Readonly<Record<string, string | undefined>>
}

const INSTALL_DEADLINE_MS = 15 * 60_000

export function createInstaller(onProgress: (text: string) => void): Installer {
  const root = join(
    process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'),
    'token-sidecar',
    'servers',
  )
  return {
    async cached(key, build) {
      const directory = join(root, key)
      if (existsSync(directory)) return directory
      onProgress(`installing ${key}`)
      const unfinished = `${directory}.unfinished`
      await rm(unfinished, { recursive: true, force: true })
      await mkdir(unfinished, { recursive: true })
      await build(unfinished)
      await rename(unfinished, directory)
      return directory
    },
    need(program, packageHint) {
      const found = findProgram(program)
      if (found !== undefined) return found
      throw new NotInstallable(`no "${program}" on the PATH (${packageHint})`)
    },
    async run(command, args, { cwd, env } = {}) {
      try {
        const { stdout } = await promisify(execFile)(command, args, {
          cwd,
          env: { ...process.env, ...env },
          timeout: INSTALL_DEADLINE_MS,
          maxBuffer: 64 * 1024 * 1024,
        })
        return stdout
      } catch (cause) {
        throw new NotInstallable(
          `"${command.split('/').at(-1)} ${args[0] ?? ''}" failed: ${lastLineOf(cause)}`,
          { cause },
        )
      }
    },
  }
}

/** The `java` of JAVA_HOME, else the one on the PATH, if it is at least version `atLeast`. */
export async function findJava(installer: Installer, atLeast: number): Promise<string> {
  const home = process.env['JAVA_HOME']
  const java =
    home === undefined ? installer.need('java', `Java ${atLeast}`) : join(home, 'bin/java')
  const text = await installer.run(java, ['--version'])
  const major = Number(/^\S+ (\d+)/.exec(text)?.[1] ?? 0)
  if (major >= atLeast) return java
  throw new NotInstallable(`Java ${major} is older than Java ${atLeast}`)
}

/** Python packages in a virtual environment. */
export async function installPython(
  installer: Installer,
  key: string,
  packages: readonly string[],
): Promise<string> {
  const python = installer.need('python3', 'Python 3.10 or newer, with venv')
  const directory = await installer.cached(key, async (target) => {
    await installer.run(python, ['-m', 'venv', join(target, 'venv')])
    await installer.run(join(target, 'venv/bin/python'), [
      '-m',
      'pip',
      'install',
      '-q',
      ...packages,
    ])
  })
  return join(directory, 'venv/bin/python')
}

/** Changes with any file of a directory, as a cache key of a build. */
export async function sourceHash(directory: string): Promise<string> {
  const hash = createHash('sha256')
  const entries = await readdir(directory, { recursive: true, withFileTypes: true })
  const files = entries
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => join(parentPath, name))
  for (const file of files.toSorted())
    hash.update(file.slice(directory.length)).update(await readFile(file))
  return hash.digest('hex').slice(0, 12)
}

function lastLineOf(cause: unknown): string {
  const { stderr, stdout, message } = Object(cause)
  const text = [stderr, stdout, message].find(
    (each) => typeof each === 'string' && each.trim() !== '',
  )
  return typeof text === 'string'
    ? (text.trim().split('\n').at(-1) ?? '').slice(0, 200)
    : String(cause)
}
