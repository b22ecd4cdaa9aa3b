import { once } from 'node:events'
import { lstat, readFile, writeFile } from 'node:fs/promises'
import { get, type IncomingMessage } from 'node:http'
import { dirname, join } from 'node:path'
import { text } from 'node:stream/consumers'
import { expect, test } from 'vitest'
import { runCommand, runProgram, startRun, writeConfig } from '../helpers/cli.ts'
import { endpointConfig, forwardConfig } from '../helpers/config-text.ts'
import { startServer } from '../helpers/servers.ts'
import { temporaryDirectory } from '../helpers/sidecar.ts'
import { sendToken, startTokenEndpoint } from '../helpers/token-endpoint.ts'

async function configListeningAt(
  listen: string,
  admin = '127.0.0.1:0',
  upstream = 'https://a.example',
) {
  return await writeConfig(`listen: "${listen}"\nadmin: "${admin}"\n${forwardConfig(upstream)}`)
}

async function getOver(socketPath: string, path: string): Promise<string> {
  const [response]: IncomingMessage[] = await once(get({ socketPath, path }), 'response')
  return response === undefined ? '' : await text(response)
}

test('run does not start with NODE_TLS_REJECT_UNAUTHORIZED=0', async () => {
  const env = { NODE_TLS_REJECT_UNAUTHORIZED: '0' }
  const file = await configListeningAt('127.0.0.1:0')
  const { code, out, err } = await runCommand(['run', '-c', file], env)
  expect({ code, out }).toEqual({ code: 1, out: '' })
  expect(err).toMatch(/^Cannot run with NODE_TLS_REJECT_UNAUTHORIZED=0: .*"tls\.ca"/)
  expect(await runProgram(['-c', file], { env })).toMatchObject({ code: 1, out: '' })
})

test.for(['listen', 'admin'] as const)(
  'run reports that the address of "%s" is in use',
  async (key) => {
    const taken = new URL(await startServer(() => {})).host
    const file = await (key === 'listen'
      ? configListeningAt(taken)
      : configListeningAt('127.0.0.1:0', taken))
    expect(await runProgram(['run', '-c', file])).toEqual({
      code: 1,
      out: '',
      err: `Cannot start: address already in use: "${taken}"; set "listen" or "admin" to another address\n`,
    })
  },
)

test('run requests no token if an address is in use', async () => {
  const endpoint = await startTokenEndpoint((_request, res) => sendToken(res))
  const taken = new URL(await startServer(() => {})).host
  const config = endpointConfig({ endpoint: endpoint.url, upstream: 'https://a.example' })
  for (const addresses of [
    [taken, '127.0.0.1:0'],
    ['127.0.0.1:0', taken],
  ]) {
    const [listen, admin] = addresses
    const file = await writeConfig(`listen: "${listen}"\nadmin: "${admin}"\n${config}`)
    expect(await runProgram(['run', '-c', file])).toMatchObject({ code: 1 })
  }
  expect(endpoint.requests).toEqual([])
})

test.for(['0.0.0.0:0', '"[::]:0"', '"0:0"'])(
  'run warns that other hosts can reach "listen: %s"',
  async (listen) => {
    // The address is in use, so that the start fails and the program ends.
    const taken = new URL(await startServer(() => {})).host
    const file = await writeConfig(
      `listen: ${listen}\nadmin: ${taken}\n${forwardConfig('https://a.example')}`,
    )
    const { err } = await runProgram(['run', '-c', file])
    expect(err).toContain(
      ':1:9 listen: every machine that can connect to this address can use the tokens',
    )
    expect((await runCommand(['check', '-c', file])).err).toContain('can use the tokens')
  },
)

test('run reports an address that is not local', async () => {
  // TEST-NET-1 (RFC 5737) is assigned to no host.
  expect(await runProgram(['run', '-c', await configListeningAt('192.0.2.1:8080')])).toEqual({
    code: 1,
    out: '',
    err: expect.stringMatching(
      /^[^\n]* \(warning\)\nCannot start: "192\.0\.2\.1:8080" is not an address of this machine\n$/,
    ),
  })
})

test('run names a host whose DNS lookup failed', async () => {
  const { code, err } = await runProgram([
    'run',
    '-c',
    await configListeningAt('unknown.invalid:8080'),
  ])
  expect(code).toBe(1)
  expect(err).toMatch(/^Cannot start: .*"?unknown\.invalid/)
})

test('run names a missing directory of a socket', async () => {
  const path = join(await temporaryDirectory(), 'none', 'app.sock')
  const { code, err } = await runProgram(['run', '-c', await configListeningAt(`unix:${path}`)])
  expect(code).toBe(3)
  expect(err).toContain(
    `:1:9 listen: expected a socket in a directory that exists, and "${dirname(path)}" does not`,
  )
})

test('run accepts requests over a Unix socket', async () => {
  const upstream = await startServer((req, res) => void res.end(`hello ${req.url}`))
  const path = join(await temporaryDirectory(), 'app.sock')
  const { proxyUrl } = await startRun(
    await configListeningAt(`unix:${path}`, '127.0.0.1:0', upstream),
  )
  expect(proxyUrl).toBe(`unix:${path}`)
  expect(await getOver(path, '/orders')).toBe('hello /orders')
})

test('run replaces a stale Unix socket', async () => {
  const upstream = await startServer((_req, res) => void res.end('hello'))
  const path = join(await temporaryDirectory(), 'app.sock')
  const file = await configListeningAt(`unix:${path}`, '127.0.0.1:0', upstream)
  const killed = await startRun(file)
  killed.process.kill('SIGKILL')
  await killed.exited
  expect((await lstat(path)).isSocket()).toBe(true)
  await startRun(file)
  expect(await getOver(path, '/')).toBe('hello')
})

test('run does not replace a Unix socket in use', async () => {
  const upstream = await startServer((_req, res) => void res.end('hello'))
  const path = join(await temporaryDirectory(), 'app.sock')
  const file = await configListeningAt(`unix:${path}`, '127.0.0.1:0', upstream)
  await startRun(file)
  expect(await runProgram(['run', '-c', file])).toEqual({
    code: 1,
    out: '',
    err: `Cannot start: address already in use: "${path}"; set "listen" or "admin" to another address\n`,
  })
  expect(await getOver(path, '/')).toBe('hello')
})

test('run neither replaces nor removes a file that is not a socket', async () => {
  const path = join(await temporaryDirectory(), 'notes.txt')
  await writeFile(path, 'precious')
  const { code, err } = await runProgram(['run', '-c', await configListeningAt(`unix:${path}`)])
  expect(code).toBe(3)
  expect(err).toContain(`listen: expected the path of a socket, and something else is at "${path}"`)
  expect(await readFile(path, 'utf8')).toBe('precious')
})

test('run, check and token report an invalid key without its content', async () => {
  const key = join(await temporaryDirectory(), 'key.jwk')
  await writeFile(key, '{"kty":"EC","d":hunter2canary}')
  const file = await writeConfig(`listen: 127.0.0.1:0
admin: 127.0.0.1:0
credentials:
  corp:
    tokenEndpoint: https://login.example.com/token
    clientId: a
    auth: { method: none }
    dpop: { key: { file: ${key} } }
${forwardConfig('https://a.example').replace('credential: none', 'credential: corp')}`)
  for (const command of [['run'], ['check'], ['check', '--live'], ['token', 'corp']]) {
    const { code, out, err } = await runProgram([...command, '-c', file])
    expect({ code, out }).toEqual({ code: 3, out: '' })
    expect(err).toContain('credentials.corp.dpop.key.file: expected a ')
    expect(err).not.toMatch(/hunter|canary| {4}at /)
  }
})

test('run starts in spite of a configuration warning', async () => {
  const file = await writeConfig(`listen: 127.0.0.1:0
admin: 127.0.0.1:0
credentials:
  spare:
    tokenEndpoint: https://login.example.com/token
    clientId: a
    auth: { clientSecret: { value: s3cret } }
${forwardConfig('https://a.example')}`)
  const { proxyUrl } = await startRun(file)
  expect(proxyUrl).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/)
})
