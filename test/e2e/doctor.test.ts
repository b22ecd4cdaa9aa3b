import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { beforeEach, describe, expect, test } from 'vitest'
import { runProgram, startRun, writeConfig } from '../helpers/cli.ts'
import { run } from '../helpers/http-clients.ts'
import { startServer } from '../helpers/servers.ts'
import { temporaryDirectory } from '../helpers/sidecar.ts'
import { findPrograms, MAY_SKIP } from '../helpers/tools.ts'

const HOST = 'api.partner.example'

type Finding = {
  readonly code: string
  readonly host: string | null
  readonly runtime: string | null
  readonly message: string
  readonly fix: string
}

type Diagnosis = { readonly code: number | null; readonly findings: readonly Finding[] }

/** Runs `doctor --json`. */
async function diagnose(
  file: string,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<Diagnosis> {
  const { code, out } = await runProgram(['doctor', '--json', '-c', file, ...args], { env })
  const { findings }: { findings: readonly Finding[] } = JSON.parse(out)
  return { code, findings }
}

/** A configuration with a route for `HOST`, whose API accepts every request. */
async function configFor(route = '', settings = 'admin: 127.0.0.1:9090'): Promise<string> {
  const upstream = await startServer((_req, res) => res.end('the response'))
  return await writeConfig(`
${settings}
routes:
  - { name: partner, match: { host: ${HOST} }, upstream: '${upstream}', credential: none, ${route} }
`)
}

async function envFile(lines: readonly string[]): Promise<string> {
  const file = join(await temporaryDirectory(), 'app.env')
  await writeFile(file, lines.map((line) => `${line}\n`).join(''))
  return file
}

const FETCH = ['--', process.execPath, '-e', `fetch('https://${HOST}/').then((r) => r.text())`]

/** A client that opens a tunnel to `HOST` and starts TLS in it with these options. */
function tlsClient(options: string): readonly string[] {
  return [
    '--',
    process.execPath,
    '-e',
    `
const proxy = new URL(process.env.https_proxy)
require('node:http').request({ host: proxy.hostname, port: proxy.port, method: 'CONNECT', path: '${HOST}:443' })
  .on('connect', (res, socket) => {
    const tls = require('node:tls').connect({ socket, rejectUnauthorized: false, ...${options} })
    tls.on('error', () => socket.destroy())
    tls.on('secureConnect', () => tls.end('GET / HTTP/1.1\\r\\nHost: ${HOST}\\r\\nConnection: close\\r\\n\\r\\n'))
    tls.resume()
  })
  .end()
`,
  ]
}

test('a command whose requests arrive has no fault', async () => {
  expect(await diagnose(await configFor(), FETCH)).toEqual({ code: 0, findings: [] })
})

test('the output of the command goes to standard error, and the report to standard output', async () => {
  const file = await configFor()
  const args = ['doctor', '-c', file, '--', 'sh', '-c', 'echo printed']
  const { code, out, err } = await runProgram(args)
  expect(code).toBe(1)
  expect(err).toBe('printed\n')
  expect(out).toContain('nothing_arrived\n  the command has ended')
  expect(out).toContain('  Fix: ')
})

test('an invalid configuration ends with 3', async () => {
  const { code, err } = await runProgram(['doctor', '-c', await writeConfig('routes: []\n')])
  expect(code).toBe(3)
  expect(err).toContain('expected at least one route')
})

test('a process or an env file that cannot be read is named', async () => {
  const file = await configFor()
  expect(await runProgram(['doctor', '-c', file, '--environment', '/nonexistent'])).toEqual({
    code: 1,
    out: '',
    err: 'Cannot read the env file "/nonexistent": no such file\n',
  })
  expect(await runProgram(['doctor', '-c', file, '--pid', '999999999'])).toMatchObject({
    code: 1,
    err: 'Cannot read process 999999999: no such file\n',
  })
})

test('the environment of a running process is examined', async () => {
  const file = await configFor()
  const { out } = await runProgram(['doctor', '-c', file, '--pid', String(process.pid)])
  expect(out).toContain('Node.js 24 and newer')
})

describe('seeded faults', () => {
  let file: string
  beforeEach(async () => {
    file = await configFor()
  })

  test('a runtime that ignores the proxy', async () => {
    const app = await envFile(['HTTPS_PROXY=http://127.0.0.1:8080'])
    const { code, findings } = await diagnose(file, ['--environment', app, '--', 'node', 'app.js'])
    expect(code).toBe(1)
    expect(findings).toContainEqual(
      expect.objectContaining({
        code: 'proxy_ignored',
        runtime: 'Node.js 24 and newer',
        fix: 'Set NODE_USE_ENV_PROXY=1.',
      }),
    )
  })

  test('NO_PROXY with the host', async () => {
    const { findings } = await diagnose(file, FETCH, { NO_PROXY: 'localhost,.partner.example' })
    expect(findings).toContainEqual(
      expect.objectContaining({
        code: 'no_proxy',
        host: HOST,
        message: expect.stringContaining('".partner.example"'),
      }),
    )
  })

  test('a CA that the environment does not name', async () => {
    const intercepting = await configFor('', 'intercept: { ca: { directory: ca } }')
    const app = await envFile(['https_proxy=http://127.0.0.1:8080'])
    const { findings } = await diagnose(intercepting, ['--environment', app, '--', 'git', 'fetch'])
    expect(findings).toContainEqual(
      expect.objectContaining({
        code: 'ca_not_trusted',
        runtime: 'git',
        fix: expect.stringContaining('GIT_SSL_CAINFO'),
      }),
    )
  })

  test.skipIf(findPrograms('curl').length === 0 && MAY_SKIP)(
    'a client that pins its certificate (skipped without curl)',
    async () => {
      const pin = `sha256//${'A'.repeat(43)}=`
      const { findings } = await diagnose(file, [
        '--',
        'curl',
        '--silent',
        '--pinnedpubkey',
        pin,
        `https://${HOST}/`,
      ])
      expect(findings).toMatchObject([{ code: 'certificate_pinned', host: HOST }])
    },
  )

  test('a client that requires HTTP/2', async () => {
    const http1 = await configFor('http2: never')
    const { findings } = await diagnose(
      http1,
      tlsClient(`{ servername: '${HOST}', ALPNProtocols: ['h2'] }`),
    )
    expect(findings).toMatchObject([{ code: 'http2_required', host: HOST }])
  })

  test('a client without a server name', async () => {
    const { findings } = await diagnose(file, tlsClient('{}'))
    expect(findings).toMatchObject([{ code: 'no_server_name', host: HOST }])
  })

  test('a client with the public name of ECH', async () => {
    const { findings } = await diagnose(file, tlsClient(`{ servername: 'ech.example' }`))
    expect(findings).toContainEqual(
      expect.objectContaining({ code: 'encrypted_client_hello', host: HOST }),
    )
  })

  test('a proxy variable with the port of the admin listener', async () => {
    const app = await envFile(['https_proxy=http://127.0.0.1:9090'])
    const { findings } = await diagnose(await configFor('', 'listen: 127.0.0.1:8080'), [
      '--environment',
      app,
      '--',
      'curl',
    ])
    expect(findings).toContainEqual(
      expect.objectContaining({
        code: 'wrong_port',
        runtime: 'curl',
        fix: 'Set the proxy to http://127.0.0.1:8080.',
      }),
    )
  })

  test('a transparent listener for IPv4 only, and a host that cannot be resolved', async () => {
    const redirected = await configFor(
      '',
      'listen: [{ name: redirected, address: 0.0.0.0:15001, mode: transparent }]\nintercept: { ca: { directory: ca } }',
    )
    const { findings } = await diagnose(redirected, [])
    expect(findings).toContainEqual(
      expect.objectContaining({
        code: 'ipv6_bypass',
        fix: expect.stringContaining('"[::]:15001"'),
      }),
    )
    expect(findings).toContainEqual(expect.objectContaining({ code: 'dns', host: HOST }))
  })

  test('an upstream that cannot be resolved', async () => {
    const unknown = await writeConfig(`
routes:
  - { name: partner, match: { host: ${HOST} }, upstream: 'https://no-such-host.invalid', credential: none }
`)
    const { findings } = await diagnose(unknown, FETCH)
    expect(findings).toMatchObject([
      { code: 'dns', message: expect.stringContaining('no-such-host.invalid') },
    ])
  })
})

test.skipIf(findPrograms('curl').length === 0 && MAY_SKIP)(
  'handshakes that failed at a running sidecar are explained (skipped without curl)',
  async () => {
    const directory = await temporaryDirectory()
    const file = await writeConfig(`
listen: 127.0.0.1:0
admin: unix:${directory}/admin.sock
intercept: { ca: { directory: ca } }
routes:
  - { name: partner, match: { host: ${HOST} }, upstream: 'http://127.0.0.1:9', credential: none }
`)
    const { proxyUrl } = await startRun(file)
    await run('curl', ['--silent', '--proxy', proxyUrl, `https://${HOST}/`])
    const { findings } = await diagnose(file, [])
    expect(findings).toMatchObject([{ code: 'ca_not_trusted', host: HOST, runtime: null }])
  },
)
