import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { once } from 'node:events'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { createInterface } from 'node:readline'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Authority, createAuthority } from '../helpers/certificates.ts'
import { parseExposition } from '../helpers/exposition.ts'
import {
  createNetwork,
  missingForNamespaces,
  type Namespace,
  type Network,
  type Outcome,
  POD,
  RESOLVER,
  WORLD,
} from '../helpers/network-namespace.ts'
import { MAY_SKIP } from '../helpers/tools.ts'
import { until } from '../helpers/wait.ts'

/*
 * Transparent mode in a network namespace of its own, with the rules of deploy/redirect: a sidecar and an application
 * on one side, all servers on the other. Needs root, nftables and iproute2.
 */

const NAMED = 'api.partner.example'
const PLAIN = 'plain.partner.example'
const OTHER = 'evil.example'
const APPLICATION = 1001
const SIDECAR = 64_532
const LISTENER_PORT = 15_001
const TOKEN = 'Bearer namespace-token-canary'
const TABLE = ['inet', 'token_sidecar'] as const
const WORLD_PROGRAM = resolve('test/namespace/world.ts')
const APPLICATION_PROGRAM = resolve('test/namespace/application.ts')

/** How each deployment loads the rules, as root, for the user of the application. */
const DEPLOYMENTS = [
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

describe.skipIf(missing.length > 0).for(DEPLOYMENTS)(
  'with the rules that $deployment loads',
  ({ command, env, hasResolvers }) => {
    const directory = mkdtempSync(join(tmpdir(), 'token-sidecar-'))
    let network: Network
    let own: Authority
    let sidecar: Sidecar

    const load = async (): Promise<Outcome> => await network.pod.run(0, command, env)
    const nft = async (...args: readonly string[]): Promise<Outcome> =>
      await network.pod.run(0, ['nft', ...args])
    const curl = async (...args: readonly string[]) => await curlAs(APPLICATION, ...args)
    /** Trusts the CA of the sidecar only, so that an unintercepted connection would fail as well. */
    const curlAs = async (user: number, ...args: readonly string[]) =>
      await network.pod.run(user, [
        'curl',
        '-sS',
        '--max-time',
        '20',
        '--cacert',
        file('ca.pem'),
        ...args,
      ])
    const act = async (...args: readonly string[]) =>
      await network.pod.run(APPLICATION, [process.execPath, APPLICATION_PROGRAM, ...args])
    const file = (name: string): string => join(directory, name)

    beforeAll(async () => {
      const world = await createAuthority('world CA')
      own = await createAuthority('sidecar CA')
      const server = await world.issue('world', [NAMED, OTHER, 'login.example'])
      writeFileSync(file('world.pem'), server.certificate)
      writeFileSync(file('world.key'), server.key)
      writeFileSync(file('world-ca.pem'), world.certificate)
      writeFileSync(file('ca.pem'), own.certificate)
      writeFileSync(file('ca.key'), own.key)
      writeFileSync(file('token-sidecar.yaml'), CONFIGURATION(file))

      network = createNetwork([NAMED, PLAIN, OTHER, 'login.example'])
      await startNode(
        network.world,
        0,
        [WORLD_PROGRAM, file('world.pem'), file('world.key'), ...WORLD, RESOLVER],
        'ready',
      )
      expect(await load()).toMatchObject({ code: 0, stderr: '' })
      sidecar = await startNode(
        network.pod,
        SIDECAR,
        [resolve('dist/cli.js'), 'run', '-c', file('token-sidecar.yaml')],
        '"listening"',
      )
    })
    afterAll(() => {
      network.close()
      rmSync(directory, { recursive: true })
    })

    async function metric(name: string, labels: Readonly<Record<string, string>>) {
      // As the sidecar, whose connections are not redirected, though this one is to the loopback address anyway.
      const { stdout } = await network.pod.run(SIDECAR, [
        'curl',
        '-sS',
        'http://127.0.0.1:9090/metrics',
      ])
      const samples = parseExposition(stdout).find((family) => family.name === name)?.samples ?? []
      return samples.find((sample) =>
        Object.entries(labels).every(([label, value]) => sample.labels[label] === value),
      )?.value
    }
    const rejections = async (reason: string) =>
      await metric('token_sidecar_rejected_connections_total', { reason })

    describe.for(['4', '6'])('over IPv%s', (version) => {
      const ip = `-${version}`
      const address = version === '4' ? WORLD[0] : WORLD[1]
      const literal = version === '4' ? WORLD[0] : `[${WORLD[1]}]`

      test.for([
        ['--http1.1', `https://${NAMED}/`, '1.1'],
        ['--http2', `https://${NAMED}/`, '2'],
        ['--http1.1', `http://${PLAIN}/`, '1.1'],
        ['--http2-prior-knowledge', `http://${PLAIN}/`, '2'],
      ] as const)('a request with %s to %s gets a token', async ([option, url, protocol]) => {
        const outcome = await curl(ip, option, '-w', '%{http_version}', url)
        expect(outcome).toEqual({
          code: 0,
          stdout: expect.stringMatching(new RegExp(`${TOKEN}\n${RegExp.escape(protocol)}$`)),
          stderr: '',
        })
      })

      test('a connection to another host by https is reset', async () => {
        const before = (await rejections('unknown_host')) ?? 0
        const { code, stderr } = await curl(ip, `https://${OTHER}/`)
        expect([code, stderr]).toEqual([35, expect.stringMatching(/reset by peer/i)])
        expect(await rejections('unknown_host')).toBe(before + 1)
      })

      test('a request to another host by http gets 403, and a reason', async () => {
        const { stdout } = await curl(ip, '-w', '%{http_code}', `http://${OTHER}/`)
        expect(stdout).toContain(`no route is for host \\"${OTHER}\\"`)
        expect(stdout).toMatch(/403$/)
      })

      test('a connection to an address by https is reset, because it has no server name', async () => {
        const before = (await rejections('no_server_name')) ?? 0
        expect(await curl('-k', `https://${literal}/`)).toMatchObject({ code: 35 })
        expect(await rejections('no_server_name')).toBe(before + 1)
      })

      test('a request to an address by http gets 403', async () => {
        const { stdout } = await curl('-o', '/dev/null', '-w', '%{http_code}', `http://${literal}/`)
        expect(stdout).toBe('403')
      })

      test.for([8443, 9000, 53])('port %i is refused', async (port) => {
        expect(await curl(ip, '-k', `https://${NAMED}:${port}/`)).toMatchObject({
          code: 7,
          stderr: expect.stringContaining('Could'),
        })
      })

      test('QUIC is refused', async () => {
        expect(await act('udp', address, '443')).toMatchObject({ stdout: 'ECONNREFUSED\n' })
      })

      test('the servers of the application are reached by the loopback address', async () => {
        const loopback = version === '4' ? '127.0.0.1' : '::1'
        const url = version === '4' ? 'http://127.0.0.1:443/' : 'http://[::1]:443/'
        await startNode(
          network.pod,
          APPLICATION,
          [APPLICATION_PROGRAM, 'serve', loopback, '443'],
          'listening',
        )
        expect(await curl(url)).toMatchObject({ stdout: 'own server\n' })
      })

      test('the servers of the application are reached by other machines', async () => {
        const [own4, own6] = POD
        const [bound, url] =
          version === '4' ? [own4, `http://${own4}:8081/`] : [own6, `http://[${own6}]:8081/`]
        await startNode(
          network.pod,
          APPLICATION,
          [APPLICATION_PROGRAM, 'serve', bound, '8081'],
          'listening',
        )
        expect(await network.world.run(0, ['curl', '-sS', url])).toMatchObject({
          stdout: 'own server\n',
        })
      })

      test('connections of other machines to the listener are reset', async () => {
        const before = (await rejections('not_redirected')) ?? 0
        const host = version === '4' ? POD[0] : `[${POD[1]}]`
        const headers = ['-H', `Host: ${NAMED}`]
        const url = `http://${host}:${LISTENER_PORT}/`
        const { code, stdout } = await network.world.run(0, ['curl', '-sS', ...headers, url])
        // Refused, if the reset arrives before curl has noticed that the connection is open.
        expect([7, 56]).toContain(code)
        expect(stdout).toBe('')
        expect(await rejections('not_redirected')).toBe(before + 1)
      })

      test('the connections of the sidecar pass', async () => {
        const args = ['--cacert', file('world-ca.pem'), ip, `https://${OTHER}:8443/`]
        expect(await curlAs(SIDECAR, ...args)).toMatchObject({
          stdout: 'https 2.0 none\n',
        })
      })
    })

    test('a gRPC call gets a token', async () => {
      expect(await act('grpc', `${NAMED}:443`, file('ca.pem'))).toMatchObject({
        stdout: `hello ${TOKEN}\n`,
      })
    })

    test('requests are counted as transparent, and rejections are logged with their host', async () => {
      expect(
        await metric('token_sidecar_inbound_requests_total', {
          mode: 'transparent',
          protocol: 'h2',
        }),
      ).toBeGreaterThan(0)
      const line = sidecar.lines().find((text) => text.includes('"reason":"unknown_host"'))
      expect(JSON.parse(line ?? '{}')).toMatchObject({
        level: 'warn',
        message: 'redirected connection rejected',
        listener: 'redirected',
        host: OTHER,
        advice: expect.stringContaining('add a route'),
      })
    })

    test('name servers are reached only if the rules name them', async () => {
      if (!hasResolvers) {
        expect(await act('udp', RESOLVER, '53')).toMatchObject({ stdout: 'ECONNREFUSED\n' })
        expect(
          await nft('add', 'element', ...TABLE, 'resolvers4', `{ ${RESOLVER} }`),
        ).toMatchObject({
          code: 0,
        })
      }
      expect(await act('udp', RESOLVER, '53')).toMatchObject({ stdout: 'received\n' })
      expect(await act('udp', WORLD[0], '53')).toMatchObject({ stdout: 'ECONNREFUSED\n' })
      expect(await act('udp', WORLD[1], '53')).toMatchObject({ stdout: 'ECONNREFUSED\n' })
    })

    test('direct networks are reached without the sidecar', async () => {
      const direct = async (): Promise<Outcome> =>
        await curl('-4', '--cacert', file('world-ca.pem'), `https://${OTHER}/`)
      expect(await direct()).toMatchObject({ code: 35 })
      const element = ['element', ...TABLE, 'direct4', `{ ${WORLD[0]}/32 }`]
      await nft('add', ...element)
      expect(await direct()).toMatchObject({ stdout: 'https 2.0 none\n' })
      expect(await curl('-6', `https://${OTHER}/`)).toMatchObject({ code: 35 })
      await nft('delete', ...element)
      expect(await direct()).toMatchObject({ code: 35 })
    })

    test('connections that were opened before the rules are reset', async () => {
      await nft('delete', 'table', ...TABLE)
      const held = await startNode(
        network.pod,
        APPLICATION,
        [APPLICATION_PROGRAM, 'hold', WORLD[0], '80'],
        'connected',
      )
      expect(await load()).toMatchObject({ code: 0 })
      held.process.stdin?.write('go\n')
      await once(held.process, 'close')
      expect(held.lines().at(-1)).toMatch(/ECONNRESET|ECONNREFUSED/)
    })

    test('the rules can be loaded twice', async () => {
      const listed = async (): Promise<string> =>
        (await nft('--stateless', 'list', 'table', ...TABLE)).stdout
      expect(await load()).toMatchObject({ code: 0 })
      const once = await listed()
      expect(await load()).toMatchObject({ code: 0 })
      expect(await listed()).toBe(once)
    })

    test('a sidecar whose own connections are redirected says so', async () => {
      const everyone = ['--define', 'users={ 0-4294967294 }', '--define']
      const port = `listener_port=${LISTENER_PORT}`
      await nft(...everyone, port, '--file', resolve('deploy/redirect/redirect.nft'))
      const { stdout } = await curl('--http1.1', '-w', '%{http_code}', `http://${PLAIN}/`)
      expect(stdout).toMatch(/502$/)
      expect(await load()).toMatchObject({ code: 0 })
      expect(await rejections('loop')).toBeGreaterThan(0)
      const logged = () => sidecar.lines().find((text) => text.includes('"reason":"loop"'))
      await until(() => logged() !== undefined)
      expect(logged()).toContain('Exclude the user of the sidecar')
    })

    test('without the sidecar, connections are refused', async () => {
      sidecar.process.kill('SIGKILL')
      await once(sidecar.process, 'close')
      for (const version of ['-4', '-6']) {
        for (const scheme of ['http', 'https']) {
          expect(await curl(version, `${scheme}://${NAMED}/`)).toMatchObject({ code: 7 })
        }
      }
    })
  },
)

/** Loads `https` hosts by SNI, and an `http` one by `Host`. */
const CONFIGURATION = (file: (name: string) => string): string => `
listen:
  - { name: redirected, address: '[::]:${LISTENER_PORT}', mode: transparent }
admin: 127.0.0.1:9090
intercept:
  ca: { cert: { file: ${file('ca.pem')} }, key: { file: ${file('ca.key')} } }
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

type Sidecar = {
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
): Promise<Sidecar> {
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
