import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { expect, onTestFinished, test } from 'vitest'
import { runProgram, writeConfig } from '../helpers/cli.ts'
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

test('NO_PROXY that excludes a named host, and another proxy, are warned about', async () => {
  const { file } = await writeExecConfig()
  const env = { NO_PROXY: '.partner.example', https_proxy: 'http://user:secret-canary@proxy:3128' }
  const { err } = await runProgram(['exec', '-c', file, '--', 'true'], { env })
  expect(err).toContain(
    `warning: NO_PROXY contains ".partner.example": requests to ${HOST} bypass the sidecar`,
  )
  expect(err).toContain('warning: https_proxy: replaced for the command')
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

/** Runs a command on a pseudoterminal, presses Ctrl-C as soon as it prints "ready", and prints its output. */
const TERMINAL = `
import os, pty, sys
pid, terminal = pty.fork()
if pid == 0:
    os.execvp(sys.argv[1], sys.argv[1:])
output = b''
pressed = False
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
sys.stdout.write(output.decode())
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
`

test.skipIf(findPrograms('python3').length === 0 && MAY_SKIP)(
  'the command has the terminal, and gets one SIGINT for Ctrl-C (skipped without Python)',
  async () => {
    const { file } = await writeExecConfig()
    const command = `trap 'echo interrupted' INT; test -t 0 && test -t 1 && echo ready; sleep 0.5; sleep 0.5; exit 4`
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
        'sh',
        '-c',
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
