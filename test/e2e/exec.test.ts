import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { expect, onTestFinished, test } from 'vitest'
import { runProgram, writeConfig } from '../helpers/cli.ts'
import { run } from '../helpers/http-clients.ts'
import { startServer } from '../helpers/servers.ts'
import { temporaryDirectory } from '../helpers/sidecar.ts'
import { sendToken, startTokenEndpoint } from '../helpers/token-endpoint.ts'
import { findPrograms, MAY_SKIP } from '../helpers/tools.ts'
import { until } from '../helpers/wait.ts'

const TOKEN = 'token-canary-4711'
const HOST = 'api.partner.example'

/** A program that knows nothing about proxies. */
const CALL = `fetch('http://${HOST}/orders').then((res) => res.text()).then((body) => process.stdout.write(body))`

type Started = { readonly file: string; readonly authorizations: (string | undefined)[] }

async function writeExecConfig(settings = ''): Promise<Started> {
  const authorizations: (string | undefined)[] = []
  const upstream = await startServer((req, res) => {
    authorizations.push(req.headers.authorization)
    res.end('the response')
  })
  const endpoint = await startTokenEndpoint((_request, res) =>
    sendToken(res, { access_token: TOKEN }),
  )
  const file = await writeConfig(`
credentials:
  corp: { tokenEndpoint: '${endpoint.url}', clientId: app, auth: { method: none } }
routes:
  - { name: orders, match: { host: ${HOST} }, upstream: '${upstream}', credential: corp }
${settings}`)
  return { file, authorizations }
}

/** The exit code and the outputs of `exec` with this command. */
async function exec(file: string, command: readonly string[], options: readonly string[] = []) {
  return await runProgram(['exec', '-c', file, ...options, '--', ...command])
}

function startExec(file: string, command: readonly string[]): ChildProcessWithoutNullStreams {
  const child = spawn(process.execPath, ['dist/cli.js', 'exec', '-c', file, '--', ...command], {
    env: { PATH: process.env['PATH'] },
  })
  onTestFinished(() => void child.kill('SIGKILL'))
  return child
}

test('a command gets a token by its proxy variables', async () => {
  const { file, authorizations } = await writeExecConfig()
  const outcome = await exec(file, [process.execPath, '-e', CALL])
  expect(outcome).toEqual({ code: 0, out: 'the response', err: '' })
  expect(authorizations).toEqual([`Bearer ${TOKEN}`])
})

test.for([
  { command: ['sh', '-c', 'exit 7'], code: 7 },
  { command: ['sh', '-c', 'kill -KILL $$'], code: 137 },
  { command: ['sh', '-c', 'kill -TERM $$'], code: 143 },
])('$command ends with exit code $code', async ({ command, code }) => {
  const { file } = await writeExecConfig()
  expect(await exec(file, command)).toMatchObject({ code, err: '' })
})

test('a command that does not exist ends with 127', async () => {
  const { file } = await writeExecConfig()
  expect(await exec(file, ['no-such-command'])).toEqual({
    code: 127,
    out: '',
    err: 'Cannot run "no-such-command": command not found\n',
  })
})

test('a command that is not executable ends with 126', async () => {
  const { file } = await writeExecConfig()
  expect(await exec(file, [file])).toEqual({
    code: 126,
    out: '',
    err: `Cannot run "${file}": permission denied\n`,
  })
})

test('the command gets standard input', async () => {
  const { file } = await writeExecConfig()
  const child = startExec(file, ['cat'])
  child.stdin.end('from standard input')
  expect(await text(child.stdout)).toBe('from standard input')
})

test('the access log is written to the file, and nothing to the outputs', async () => {
  const { file } = await writeExecConfig()
  const log = join(await temporaryDirectory(), 'log')
  const outcome = await exec(file, [process.execPath, '-e', CALL], ['--log', log])
  expect(outcome).toEqual({ code: 0, out: 'the response', err: '' })
  const lines = await readFile(log, 'utf8')
  expect(lines).toContain('"route":"orders"')
  expect(lines).not.toContain(TOKEN)
})

test('a log file that cannot be opened ends with 125', async () => {
  const { file } = await writeExecConfig()
  const outcome = await exec(file, ['true'], ['--log', '/nonexistent/log'])
  expect(outcome).toMatchObject({ code: 125, out: '' })
  expect(outcome.err).toContain('Cannot write the log to "/nonexistent/log"')
})

test('a place for temporary files that cannot be used ends with 125', async () => {
  const { file } = await writeExecConfig()
  const outcome = await runProgram(['exec', '-c', file, '--', 'echo', 'run'], {
    env: { TMPDIR: '/nonexistent' },
  })
  expect(outcome).toEqual({
    code: 125,
    out: '',
    err: 'Cannot create a directory in "/nonexistent": no such file; TMPDIR names another place\n',
  })
})

test('an invalid configuration ends with 125, and the command is not run', async () => {
  const file = await writeConfig('routes: []\n')
  const outcome = await exec(file, ['echo', 'run'])
  expect(outcome).toMatchObject({ code: 125, out: '' })
  expect(outcome.err).toContain('expected at least one route')
})

test('a token that is not obtained in time is named, and the command is not run', async () => {
  const endpoint = await startTokenEndpoint((_request, res) => void res.writeHead(503).end())
  const file = await writeConfig(`
credentials:
  corp: { tokenEndpoint: '${endpoint.url}', clientId: app, auth: { method: none } }
routes:
  - { name: orders, match: { host: ${HOST} }, upstream: 'http://127.0.0.1:9', credential: corp }
`)
  const outcome = await exec(file, ['echo', 'run'], ['--ready-timeout', '100ms'])
  expect(outcome).toMatchObject({ code: 125, out: '' })
  expect(outcome.err).toContain('the sidecar is not ready: token "corp": ')
})

test('a client that the authorization server rejects is not waited for', async () => {
  const endpoint = await startTokenEndpoint(
    (_request, res) =>
      void res
        .writeHead(401, { 'content-type': 'application/json' })
        .end('{"error":"invalid_client"}'),
  )
  const file = await writeConfig(`
credentials:
  corp: { tokenEndpoint: '${endpoint.url}', clientId: app, auth: { method: none } }
routes:
  - { name: orders, match: { host: ${HOST} }, upstream: 'http://127.0.0.1:9', credential: corp }
`)
  const outcome = await exec(file, ['echo', 'run'], ['--ready-timeout', '1h'])
  expect(outcome).toMatchObject({ code: 125, out: '' })
  expect(outcome.err).toContain('invalid_client')
})

test('the command does not get the variables that the configuration reads secrets from', async () => {
  const endpoint = await startTokenEndpoint((_request, res) =>
    sendToken(res, { access_token: TOKEN }),
  )
  const file = await writeConfig(`
credentials:
  corp: { tokenEndpoint: '${endpoint.url}', clientId: app, auth: { clientSecret: { env: CORP_SECRET } } }
routes:
  - { name: orders, match: { host: ${HOST} }, upstream: 'http://127.0.0.1:9', credential: corp }
`)
  const args = ['exec', '-c', file, '--', 'sh', '-c', 'echo "${CORP_SECRET-unset} $OTHER"']
  expect(
    await runProgram(args, { env: { CORP_SECRET: 'secret-canary', OTHER: 'other' } }),
  ).toMatchObject({ code: 0, out: 'unset other\n' })
})

/** Prints the directory of the CA bundle, its mode and content, and what wget reads. */
const SHOW_TRUST = [
  'sh',
  '-c',
  'd=$(dirname "$SSL_CERT_FILE"); echo "$d"; stat -c %a "$d"; ls "$d"; cat "$WGETRC"',
]

test('without "intercept", a CA for this run is in a directory that is removed', async () => {
  const { file } = await writeExecConfig()
  const home = await temporaryDirectory()
  await writeFile(join(home, '.wgetrc'), 'tries = 3\n')
  const args = ['exec', '-c', file, '--', ...SHOW_TRUST]
  const { code, out, err } = await runProgram(args, { env: { HOME: home } })
  expect({ code, err }).toEqual({ code: 0, err: '' })
  const [directory = '', mode, ...rest] = out.split('\n')
  expect(mode).toBe('700')
  expect(rest).toEqual(expect.arrayContaining(['ca-1.pem', 'ca-bundle.pem', 'truststore.p12']))
  expect(rest).toEqual(
    expect.arrayContaining(['tries = 3', `ca_certificate = ${directory}/ca-bundle.pem`]),
  )
  expect(existsSync(directory)).toBe(false)
})

test('with "intercept", the configured CA is used, and its bundles stay as they are', async () => {
  const ca = join(await temporaryDirectory(), 'ca')
  const { file } = await writeExecConfig(`intercept: { ca: { directory: '${ca}' } }`)
  const { code, out } = await exec(file, SHOW_TRUST)
  expect(code).toBe(0)
  expect(out).not.toContain('ca-1.pem')
  expect(out).toContain('ca-bundle.pem')
  expect(await readdir(ca)).toEqual(['ca-1.pem'])
})

test('a route of another listener is available as well', async () => {
  const upstream = await startServer((_req, res) => res.end('the response'))
  const file = await writeConfig(`
listen:
  - { name: app, address: 127.0.0.1:8080 }
  - { name: batch, address: 127.0.0.1:8081 }
routes:
  - { name: orders, listeners: [batch], match: { host: ${HOST} }, upstream: '${upstream}', credential: none }
`)
  expect(await exec(file, [process.execPath, '-e', CALL])).toMatchObject({ out: 'the response' })
})

test('exec --env prints variables for the listener and the CA of the configuration', async () => {
  const directory = await temporaryDirectory()
  const { file } = await writeExecConfig(`
listen: 0.0.0.0:18080
intercept: { ca: { directory: '${directory}' } }`)
  const { code, out, err } = await runProgram(['exec', '--env=dotenv', '-c', file], {
    env: { NO_PROXY: 'example.com' },
  })
  expect({ code, err }).toMatchObject({ code: 0 })
  const lines = out.split('\n')
  expect(lines).toContain('https_proxy=http://127.0.0.1:18080')
  expect(lines).toContain(`SSL_CERT_FILE=${directory}/ca-bundle.pem`)
  expect(lines).toContain(`WGETRC=${directory}/wgetrc`)
  expect(lines).toContain('NO_PROXY=localhost,127.0.0.1,::1')
  expect(out).toContain(`-Djavax.net.ssl.trustStore=${directory}/truststore.p12`)
  expect(existsSync(join(directory, 'ca-1.pem'))).toBe(false)
})

test('a shell can evaluate what exec --env prints', async () => {
  const { file } = await writeExecConfig('listen: 127.0.0.1:18080')
  const script = `eval "$(${process.execPath} dist/cli.js exec --env -c ${file} 2>/dev/null)"; echo "$NO_PROXY $JAVA_TOOL_OPTIONS"`
  const { out } = await run('sh', ['-c', script], { env: { NO_PROXY: "it's, $x" } })
  expect(out).toMatch(/^it's,\$x -Dhttp\.proxyHost=127\.0\.0\.1 /)
})

test('exec --env needs a listener that programs can use as proxy', async () => {
  const { file } = await writeExecConfig('listen: unix:/run/app.sock')
  expect(await runProgram(['exec', '--env', '-c', file])).toMatchObject({
    code: 1,
    out: '',
    err: expect.stringContaining('no listener has a TCP address'),
  })
})

test('NO_PROXY that excludes a named host, and another proxy, are warned about', async () => {
  const { file } = await writeExecConfig()
  const env = { NO_PROXY: '.partner.example', https_proxy: 'http://user:secret-canary@proxy:3128' }
  const { err } = await runProgram(['exec', '-c', file, '--', 'true'], { env })
  expect(err).toContain(
    `warning: NO_PROXY contains ".partner.example": requests to ${HOST} bypass the sidecar`,
  )
  expect(err).toContain(
    'warning: https_proxy: replaced for the command; the sidecar uses such a proxy only',
  )
  expect(err).not.toContain('secret-canary')
})

test.for(['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGQUIT', 'SIGUSR1', 'SIGUSR2'] as const)(
  '%s is passed on to the command, each time',
  async (signal) => {
    const { file } = await writeExecConfig()
    const name = signal.slice(3)
    const child = startExec(file, [
      'sh',
      '-c',
      `n=0; trap 'n=$((n+1)); echo got $n; [ $n = 2 ] && exit 5' ${name}; echo ready; while :; do sleep 0.02; done`,
    ])
    let out = ''
    child.stdout.on('data', (chunk: Buffer) => {
      out += chunk.toString()
    })
    const exited = once(child, 'exit')
    await until(() => out.includes('ready'))
    child.kill(signal)
    await until(() => out.includes('got 1'))
    child.kill(signal)
    expect(await exited).toEqual([5, null])
  },
)

test('a signal while tokens are awaited ends it without running the command', async () => {
  const requested = Promise.withResolvers<void>()
  const endpoint = await startTokenEndpoint(() => requested.resolve())
  const file = await writeConfig(`
credentials:
  corp: { tokenEndpoint: '${endpoint.url}', clientId: app, auth: { method: none } }
routes:
  - { name: orders, match: { host: ${HOST} }, upstream: 'http://127.0.0.1:9', credential: corp }
`)
  const child = startExec(file, ['echo', 'run'])
  const exited = once(child, 'exit')
  await requested.promise
  child.kill('SIGTERM')
  expect(await exited).toEqual([143, null])
  expect(await text(child.stdout)).toBe('')
})

test('requests of child processes are drained when the command has ended, until the next signal', async () => {
  const requested = Promise.withResolvers<void>()
  const upstream = await startServer(() => requested.resolve())
  const file = await writeConfig(`
routes:
  - { name: orders, match: { host: ${HOST} }, upstream: '${upstream}', credential: none }
`)
  const script = join(await temporaryDirectory(), 'call.js')
  await writeFile(script, CALL)
  const child = startExec(file, [
    'sh',
    '-c',
    `${process.execPath} ${script} & echo $$; read line; exit 3`,
  ])
  const exited = once(child, 'exit')
  const [pid] = await once(child.stdout, 'data')
  await requested.promise
  child.stdin.end('\n')
  await until(() => !isRunning(Number(String(pid))))
  expect(child.exitCode).toBe(null)
  child.kill('SIGTERM')
  expect(await exited).toEqual([3, null])
})

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

test('it ends with the command, even if a daemon has its outputs open', async () => {
  const { file } = await writeExecConfig()
  const child = startExec(file, ['sh', '-c', 'sleep 600 & echo $!; exit 3'])
  const [pid] = await once(child.stdout, 'data')
  onTestFinished(() => void process.kill(Number(String(pid))))
  expect(await once(child, 'exit')).toEqual([3, null])
})

test('a command that closes its outputs keeps running', async () => {
  const { file, authorizations } = await writeExecConfig()
  const script = join(await temporaryDirectory(), 'call.js')
  await writeFile(script, CALL)
  const outcome = await exec(file, [
    'sh',
    '-c',
    `exec >&- 2>&-; exec ${process.execPath} ${script} >/dev/null`,
  ])
  expect(outcome).toEqual({ code: 0, out: '', err: '' })
  expect(authorizations).toEqual([`Bearer ${TOKEN}`])
})

/**
 * Runs a command on a pseudoterminal and prints its output. Presses Ctrl-C when the command prints "ready", and sends
 * SIGUSR2, which is passed on behind anything else, when it prints "interrupted".
 */
const TERMINAL = `
import os, pty, signal, sys
pid, terminal = pty.fork()
if pid == 0:
    os.execvp(sys.argv[1], sys.argv[1:])
output = b''
pressed = ended = False
while True:
    try:
        part = os.read(terminal, 1024)
    except OSError:
        break
    if not part: break
    output += part
    if not pressed and b'ready' in output:
        pressed = True
        os.write(terminal, b'\\x03')
    if not ended and b'interrupted' in output:
        ended = True
        os.kill(pid, signal.SIGUSR2)
sys.stdout.write(output.decode())
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
`

test.skipIf(findPrograms('python3').length === 0 && MAY_SKIP)(
  'the command has the terminal, and gets one SIGINT for Ctrl-C (skipped without Python)',
  async () => {
    const { file } = await writeExecConfig()
    const command = `
process.on('SIGINT', () => console.log('interrupted'))
process.on('SIGUSR2', () => process.exit(4))
setInterval(() => {}, 1e6)
if (process.stdin.isTTY && process.stdout.isTTY) console.log('ready')
`
    const child = spawn(
      'python3',
      [
        '-c',
        TERMINAL,
        process.execPath,
        'dist/cli.js',
        'exec',
        '-c',
        file,
        '--',
        process.execPath,
        '-e',
        command,
      ],
      { env: { PATH: process.env['PATH'] } },
    )
    onTestFinished(() => void child.kill('SIGKILL'))
    const [out, [code]] = await Promise.all([text(child.stdout), once(child, 'exit')])
    expect(out.match(/interrupted/g)).toHaveLength(1)
    expect(code).toBe(4)
  },
)
