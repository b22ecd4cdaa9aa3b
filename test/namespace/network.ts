import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { findPrograms } from '../helpers/tools.ts'

/** A network with an application and the sidecar on one side, and all servers on the other. Needs root. */
export type Network = {
  /** The network namespace of a pod, or of a virtual machine. */
  readonly pod: Namespace
  /** The network namespace of all other machines. */
  readonly world: Namespace
  readonly close: () => void
}

export type Namespace = {
  /** Runs a program until it ends, as this user. */
  readonly run: (user: number, command: readonly string[], env?: Environment) => Promise<Outcome>
  /** Starts a program, as this user, that runs until the network is closed. */
  readonly start: (user: number, command: readonly string[], env?: Environment) => ChildProcess
}

export type Outcome = {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

type Environment = Readonly<Record<string, string>>

/** The addresses of the world, which has every host of the tests. */
export const WORLD = ['10.77.0.1', 'fd77::1'] as const
/** The name server, which is in the world as well. */
export const RESOLVER = '10.77.0.53'
export const POD = ['10.77.0.2', 'fd77::2'] as const

/** The programs may be below a directory that only root can read. Servers listen on well-known ports. */
const CAPABILITIES = ['inh', 'ambient'].map(
  (set) => `--${set}-caps=+dac_read_search,+net_bind_service`,
)

const TOOLS = ['ip', 'nft', 'setpriv', 'unshare']

/** What namespaces with redirect rules need and this machine lacks. */
export function missingForNamespaces(): string[] {
  const missing = TOOLS.filter((tool) => findPrograms(tool).length === 0)
  if (missing.length > 0) return missing
  const { status } = spawnSync('unshare', ['--net', 'true'])
  return status === 0 ? [] : ['permission to create network namespaces']
}

export function createNetwork(hosts: readonly string[]): Network {
  const pod = `token-sidecar-pod-${process.pid}`
  const world = `token-sidecar-world-${process.pid}`
  const started: ChildProcess[] = []
  const close = (): void => {
    for (const child of started) child.kill('SIGKILL')
    for (const name of [pod, world]) ip(['netns', 'delete', name])
    rmSync(`/etc/netns/${pod}`, { recursive: true, force: true })
  }

  // "ip netns exec" shows these files at /etc.
  mkdirSync(`/etc/netns/${pod}`, { recursive: true })
  const lines = WORLD.map((address) => `${address} ${hosts.join(' ')}\n`)
  writeFileSync(`/etc/netns/${pod}/hosts`, `127.0.0.1 localhost\n::1 localhost\n${lines.join('')}`)
  writeFileSync(`/etc/netns/${pod}/resolv.conf`, `nameserver ${RESOLVER}\n`)
  try {
    for (const name of [pod, world]) {
      ip(['netns', 'add', name])
      ip(['-netns', name, 'link', 'set', 'lo', 'up'])
    }
    ip(['-netns', pod, 'link', 'add', 'eth0', 'type', 'veth', 'peer', 'eth0', 'netns', world])
    for (const [name, own, other] of [
      [pod, POD, WORLD],
      [world, WORLD, POD],
    ] as const) {
      ip(['-netns', name, 'link', 'set', 'eth0', 'up'])
      ip(['-netns', name, 'address', 'add', `${own[0]}/24`, 'dev', 'eth0'])
      ip(['-netns', name, 'address', 'add', `${own[1]}/64`, 'dev', 'eth0', 'nodad'])
      ip(['-netns', name, '-4', 'route', 'add', 'default', 'via', other[0]])
      ip(['-netns', name, '-6', 'route', 'add', 'default', 'via', other[1]])
    }
    ip(['-netns', world, 'address', 'add', `${RESOLVER}/24`, 'dev', 'eth0'])
  } catch (error) {
    close()
    throw error
  }

  const namespace = (name: string): Namespace => {
    const start: Namespace['start'] = (user, command, env = {}) => {
      const as = [`--reuid=${user}`, `--regid=${user}`, '--clear-groups', ...CAPABILITIES, '--']
      const child = spawn('ip', ['netns', 'exec', name, 'setpriv', ...as, ...command], {
        env: { PATH: process.env['PATH'], ...env },
      })
      started.push(child)
      return child
    }
    return {
      start,
      async run(user, command, env) {
        const child = start(user, command, env)
        let stdout = ''
        let stderr = ''
        child.stdout?.on('data', (chunk: Buffer) => {
          stdout += chunk.toString()
        })
        child.stderr?.on('data', (chunk: Buffer) => {
          stderr += chunk.toString()
        })
        const [code]: (number | null)[] = await once(child, 'close')
        return { code: code ?? null, stdout, stderr }
      },
    }
  }
  return { pod: namespace(pod), world: namespace(world), close }
}

function ip(args: readonly string[]): void {
  execFileSync('ip', args, { stdio: 'pipe' })
}
