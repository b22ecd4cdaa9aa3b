import { closeSync, existsSync, openSync } from 'node:fs'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import * as z from 'zod'
import { CLIENT } from '../stage/authorization-server.ts'
import { BenchError } from '../system/bench-error.ts'
import { readVersion } from '../system/find-program.ts'
import type { Contender, Running, Setting } from './contender.ts'
import { routePrefixes } from './route-paths.ts'
import { SHIPPED_NODE_FLAGS } from './shipped-node-flags.ts'

const BUNDLE = join(import.meta.dirname, '..', '..', 'dist', 'cli.js')

/** The sidecar as it ships: the bundle, run with the Node flags of the image, fetching a real token. */
export const tokenSidecar: Contender = {
  name: 'token-sidecar',
  about: 'dist/cli.js as shipped, fetching its token',
  async find() {
    if (!existsSync(BUNDLE)) {
      return { isFound: false, missing: 'no dist/cli.js; "npm run build" creates it' }
    }
    return {
      isFound: true,
      version: (await readVersion(process.execPath, [BUNDLE, '--version'])).trim(),
    }
  },
  start: async (setting) => await startTokenSidecar(setting),
}

/**
 * Starts the sidecar and waits until it is ready. `credential` is merged into the credential of its
 * configuration; `program` receives the configuration file as its last argument.
 */
export async function startTokenSidecar(
  setting: Setting,
  credential: object = {},
  program: readonly string[] = [BUNDLE, 'run', '-c'],
  env: Readonly<Record<string, string>> = {},
): Promise<Running> {
  const { directory, processes, cores } = setting
  const configFile = join(directory, 'token-sidecar.yaml')
  await writeFile(configFile, configuration(setting, credential))
  // A file, because reading a pipe would cost this process CPU time during the measurement.
  const logFile = join(directory, 'log')
  const output = openSync(logFile, 'a')
  const started = processes.start({
    command: process.execPath,
    args: [...SHIPPED_NODE_FLAGS, ...program, configFile],
    env: { PATH: process.env['PATH'], ...env },
    cores,
    output,
  })
  closeSync(output)
  const { listen, admin } = await Promise.race([readAddresses(logFile), started.failed])
  await Promise.race([untilReady(`${admin}/readyz`), started.failed])
  return { origin: listen, pids: [started.pid], stop: async () => await started.stop() }
}

/** Long enough for thousands of routes on a busy machine. */
const DEADLINE_MS = 60_000
const PAUSE_MS = 2

const listeningLine = z.object({
  message: z.literal('listening'),
  listen: z.string(),
  admin: z.string(),
})

/** Reads the listener addresses from the log. */
async function readAddresses(logFile: string): Promise<z.output<typeof listeningLine>> {
  const deadlineMs = performance.now() + DEADLINE_MS
  while (performance.now() < deadlineMs) {
    const lines = (await readFile(logFile, 'utf8')).split('\n').slice(0, -1)
    const found = lines.map((line) => listeningLine.safeParse(JSON.parse(line)))
    const addresses = found.find(({ success }) => success)?.data
    if (addresses !== undefined) return addresses
    await sleep(PAUSE_MS)
  }
  throw new BenchError('Cannot start token-sidecar: no "listening" line in its log')
}

async function untilReady(readyUrl: string): Promise<void> {
  const deadlineMs = performance.now() + DEADLINE_MS
  while (performance.now() < deadlineMs) {
    const response = await fetch(readyUrl)
    await response.text()
    if (response.ok) return
    await sleep(PAUSE_MS)
  }
  throw new BenchError('Cannot start token-sidecar: /readyz did not return 200')
}

/** Every JSON document is also YAML. */
function configuration(setting: Setting, credential: object): string {
  const { upstream, upstreamTls, authorityFile, tokenEndpoint, routes, accessLog, http2 } = setting
  return JSON.stringify({
    listen: '127.0.0.1:0',
    admin: '127.0.0.1:0',
    credentials: {
      bench: {
        tokenEndpoint,
        clientId: CLIENT.id,
        auth: { clientSecret: { value: CLIENT.secret } },
        scopes: [CLIENT.scope],
        ...credential,
      },
    },
    routes: routePrefixes(routes).map((prefix, index) => ({
      name: `route-${index}`,
      match: { path: prefix },
      upstream: upstream.origin,
      keepPath: true,
      credential: 'bench',
      ...(http2 !== 'neither' && { http2: 'always' }),
      ...(upstreamTls && { tls: { ca: { file: authorityFile } } }),
    })),
    log: { access: accessLog ? 'on' : 'off', format: 'json' },
  })
}
