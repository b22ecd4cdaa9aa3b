import {
  chmodSync,
  chownSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { once } from 'node:events'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { createInterface } from 'node:readline'
import { createAuthority } from '../helpers/certificates.ts'
import { parseExposition } from '../helpers/exposition.ts'
import { MAY_SKIP } from '../helpers/tools.ts'
import {
  createNetwork,
  missingForNamespaces,
  type Namespace,
  type Network,
  type Outcome,
  RESOLVER,
  WORLD,
} from './network.ts'

/*
 * A sidecar in transparent mode and an application in one network namespace, with the rules of deploy/redirect, and all
 * servers in another one. Needs root, nftables and iproute2.
 */

export const NAMED = 'api.partner.example'
export const PLAIN = 'plain.partner.example'
export const OTHER = 'evil.example'
const APPLICATION = 1001
export const SIDECAR = 64_532
export const LISTENER_PORT = 15_001
export const TOKEN = 'Bearer namespace-token-canary'
export const TABLE = ['inet', 'token_sidecar'] as const
const WORLD_PROGRAM = resolve('test/namespace/world-program.ts')
const APPLICATION_PROGRAM = resolve('test/namespace/application-program.ts')

/** How each deployment loads the rules, as root, for the user of the application. */
export const DEPLOYMENTS = [
  {
    deployment: 'the init container of a pod',
    command: [resolve('deploy/redirect/load-rules.sh')],
    env: { SIDECAR_USER: String(SIDECAR), LISTENER_PORT: String(LISTENER_PORT) },
    hasResolvers: true,
  },
  {
    deployment: 'the unit of systemd',
    command: unitCommand({ users: String(APPLICATION), port: String(LISTENER_PORT) }),
    env: {},
    hasResolvers: false,
  },
] as const

/** What `ExecStart=` runs, with these values of its variables. */
function unitCommand({ users, port }: { readonly users: string; readonly port: string }): string[] {
  const unit = readFileSync('deploy/systemd/token-sidecar-redirect.service', 'utf8')
  const [, line = ''] = /^ExecStart=(.*)$/m.exec(unit) ?? []
  return line
    .split(' ')
    .map((word) =>
      word
        .replace('${APPLICATION_USERS}', users)
        .replace('${LISTENER_PORT}', port)
        .replace('/usr/lib/token-sidecar/redirect.nft', resolve('deploy/redirect/redirect.nft')),
    )
}

const missing = missingForNamespaces()
if (missing.length > 0 && !MAY_SKIP) throw new Error(`missing: ${missing.join(', ')}`)

/** Whether tests in namespaces are skipped, because a tool or root is missing. */
export const CANNOT_RUN = missing.length > 0

/** For the hook that sets the stage. */
export const SETUP_TIMEOUT_MS = 60_000

export type Stage = {
  readonly network: Network
  readonly sidecar: NodeProgram
  /** The path of a file of the stage. */
  readonly file: (name: string) => string
  /** Loads the rules. */
  readonly load: () => Promise<Outcome>
  readonly nft: (...args: readonly string[]) => Promise<Outcome>
  /** As the application, which trusts the bundle of the sidecar. */
  readonly curl: (...args: readonly string[]) => Promise<Outcome>
  readonly curlAs: (user: number, ...args: readonly string[]) => Promise<Outcome>
  /** Runs a program as the application. */
  readonly run: (
    command: readonly string[],
    env: Readonly<Record<string, string>>,
  ) => Promise<Outcome>
  /** Runs an action of the application. */
  readonly act: (...args: readonly string[]) => Promise<Outcome>
  /** Starts one, and waits for a line that contains `text`. */
  readonly startAction: (text: string, ...args: readonly string[]) => Promise<NodeProgram>
  readonly metric: (
    name: string,
    labels: Readonly<Record<string, string>>,
  ) => Promise<number | undefined>
  /** How many connections were rejected for this reason. */
  readonly rejections: (reason: string) => Promise<number | undefined>
  readonly close: () => void
}

export async function setStage({ command, env }: (typeof DEPLOYMENTS)[number]): Promise<Stage> {
  const directory = mkdtempSync(join(tmpdir(), 'token-sidecar-'))
  // The sidecar and the application are other users.
  chmodSync(directory, 0o755)
  const file = (name: string): string => join(directory, name)
  const world = await createAuthority('world CA')
  const server = await world.issue('world', [NAMED, OTHER, 'login.example'])
  writeFileSync(file('world.pem'), server.certificate)
  writeFileSync(file('world.key'), server.key)
  writeFileSync(file('world-ca.pem'), world.certificate)
  // Writable for the user of the sidecar, which generates its CA.
  mkdirSync(file('state'))
  chownSync(file('state'), SIDECAR, SIDECAR)
  writeFileSync(file('token-sidecar.yaml'), configuration(file))

  const network = createNetwork([NAMED, PLAIN, OTHER, 'login.example'])
  const close = (): void => {
    network.close()
    rmSync(directory, { recursive: true })
  }
  const load = async (): Promise<Outcome> => await network.pod.run(0, command, env)
  const curlAs: Stage['curlAs'] = async (user, ...args) => {
    const options = ['-sS', '--max-time', '20', '--cacert', file('state/ca-bundle.pem')]
    return await network.pod.run(user, ['curl', ...options, ...args])
  }
  const metric: Stage['metric'] = async (name, labels) => {
    const { stdout } = await curlAs(SIDECAR, 'http://127.0.0.1:9090/metrics')
    const samples = parseExposition(stdout).find((family) => family.name === name)?.samples ?? []
    return samples.find((sample) =>
      Object.entries(labels).every(([label, value]) => sample.labels[label] === value),
    )?.value
  }
  try {
    const addresses = [...WORLD, RESOLVER]
    const worldProgram = [WORLD_PROGRAM, file('world.pem'), file('world.key')]
    await startNode(network.world, 0, [...worldProgram, ...addresses], 'ready')
    const { code, stderr } = await load()
    if (code !== 0) throw new Error(`cannot load the rules: ${stderr}`)
    const run = [resolve('dist/cli.js'), 'run', '-c', file('token-sidecar.yaml')]
    return {
      network,
      file,
      load,
      curlAs,
      metric,
      close,
      sidecar: await startNode(network.pod, SIDECAR, run, '"listening"'),
      nft: async (...args) => await network.pod.run(0, ['nft', ...args]),
      curl: async (...args) => await curlAs(APPLICATION, ...args),
      run: async (program, variables) => await network.pod.run(APPLICATION, program, variables),
      act: async (...args) =>
        await network.pod.run(APPLICATION, [process.execPath, APPLICATION_PROGRAM, ...args]),
      startAction: async (text, ...args) =>
        await startNode(network.pod, APPLICATION, [APPLICATION_PROGRAM, ...args], text),
      rejections: async (reason) =>
        await metric('token_sidecar_rejected_connections_total', { reason }),
    }
  } catch (error) {
    close()
    throw error
  }
}

function configuration(file: Stage['file']): string {
  return `
listen:
  - { name: redirected, address: '[::]:${LISTENER_PORT}', mode: transparent }
admin: 127.0.0.1:9090
intercept: { ca: { directory: ${file('state')} } }
credentials:
  corp:
    tokenEndpoint: https://login.example:9000/token
    clientId: legacy-billing
    auth: { clientSecret: { value: secret } }
    tls: { ca: { file: ${file('world-ca.pem')} } }
routes:
  - { name: https, match: { host: ${NAMED} }, upstream: 'https://${NAMED}', credential: corp, tls: { ca: { file: ${file('world-ca.pem')} } } }
  - { name: http, match: { host: ${PLAIN} }, upstream: 'http://${PLAIN}', credential: corp, allowPlaintext: true }
log: { format: json }
`
}

type NodeProgram = {
  readonly process: ReturnType<Namespace['start']>
  /** The lines of its output so far. */
  readonly lines: () => readonly string[]
}

/** Starts a program in Node, and waits until a line of its output contains `text`. */
async function startNode(
  namespace: Namespace,
  user: number,
  args: readonly string[],
  text: string,
): Promise<NodeProgram> {
  const child = namespace.start(user, [process.execPath, ...args])
  const lines: string[] = []
  const started = Promise.withResolvers<void>()
  child.stderr?.on('data', (chunk: Buffer) => lines.push(chunk.toString()))
  if (child.stdout !== null) {
    createInterface({ input: child.stdout }).on('line', (line) => {
      lines.push(line)
      if (line.includes(text)) started.resolve()
    })
  }
  void once(child, 'exit').then(() => started.reject(new Error(`it ended: ${lines.join('\n')}`)))
  await started.promise
  return { process: child, lines: () => lines }
}
