import { once } from 'node:events'
import { readFile, writeFile } from 'node:fs/promises'
import { connect as connectHttp2 } from 'node:http2'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { connect as connectTls } from 'node:tls'
import { ProxyAgent, request as requestByUndici } from 'undici'
import { expect, onTestFinished, test } from 'vitest'
import { writeConfig } from '../helpers/cli.ts'
import { forwardConfig } from '../helpers/config-text.ts'
import { fastClock } from '../helpers/fast-clock.ts'
import { createGrpcClient } from '../helpers/grpc.ts'
import { headersFrame, openFrameClient, requestFields, valueOf } from '../helpers/http2-frames.ts'
import { INTERCEPTED_TOKEN, startIntercepting } from '../helpers/interception.ts'
import { metric } from '../helpers/metrics.ts'
import { fileWith } from '../helpers/credential-call.ts'
import { follow, openRaw } from '../helpers/raw-connection.ts'
import { exchangeRaw } from '../helpers/raw-http.ts'
import { portOf, startServer } from '../helpers/servers.ts'
import {
  type RunningSidecar,
  startProgramAt,
  startSidecar,
  temporaryDirectory,
} from '../helpers/sidecar.ts'
import { sendToken, startTokenEndpoint } from '../helpers/token-endpoint.ts'
import { until } from '../helpers/wait.ts'

const PASSWORD = 'open-sesame-canary-17'
const CHALLENGE = 'Basic realm="token-sidecar", charset="UTF-8"'
const REJECTED = 'token_sidecar_rejected_callers_total'

test.for([
  { what: 'a path', target: '/orders/7', host: 'localhost' },
  {
    what: 'an http URL, as for a forward proxy',
    target: 'http://api.example/7',
    host: 'api.example',
  },
])(
  'a request for $what with a valid Proxy-Authorization gets a token',
  async ({ target, host }) => {
    const { sidecar, received } = await start()
    const response = await exchangeRaw(sidecar.proxyUrl, get(target, host, basic('app', PASSWORD)))
    expect(response).toMatch(/^HTTP\/1\.1 200 /)
    expect(received).toEqual([expect.objectContaining({ authorization: 'Bearer a-token' })])
    expect(received[0]).not.toHaveProperty('proxy-authorization')
  },
)

test('fetch can call the base URL with Proxy-Authorization', async () => {
  const { sidecar } = await start()
  const headers = { 'proxy-authorization': basic('app', PASSWORD) }
  expect((await fetch(`${sidecar.proxyUrl}/orders`, { headers })).status).toBe(200)
})

test.for([
  { what: 'no Proxy-Authorization', lines: [] },
  { what: 'a wrong password', lines: [basic('app', 'wrong')] },
  { what: 'the beginning of the password', lines: [basic('app', PASSWORD.slice(0, -1))] },
  { what: 'an empty password', lines: [basic('app', '')] },
  { what: 'an unknown user', lines: [basic('other', PASSWORD)] },
  { what: 'the user name in another case', lines: [basic('APP', PASSWORD)] },
  { what: 'another scheme', lines: [basic('app', PASSWORD).replace('Basic', 'Bearer')] },
  { what: 'credentials without a colon', lines: [`Basic ${btoa(`app${PASSWORD}`)}`] },
  { what: 'a value that is not Base64', lines: ['Basic ?'] },
  { what: 'two fields', lines: [basic('app', PASSWORD), basic('app', PASSWORD)] },
])('a request with $what gets 407, and no token is requested', async ({ lines }) => {
  const { sidecar, received, tokenRequests } = await start('prefetch: false')
  const response = await exchangeRaw(sidecar.proxyUrl, get('/orders', 'localhost', ...lines))
  expect(response).toMatch(/^HTTP\/1\.1 407 Proxy Authentication Required\r\n/)
  expect(response).toContain(`\r\nProxy-Authenticate: ${CHALLENGE}\r\n`)
  expect(response).toContain('"code":"proxy_authentication_required"')
  expect(received).toEqual([])
  expect(tokenRequests).toEqual([])
})

test('Authorization of the application is not taken for that of the proxy', async () => {
  const { sidecar } = await start()
  const headers = `GET /orders HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n`
  const request = `${headers}Authorization: ${basic('app', PASSWORD)}\r\n\r\n`
  expect(await exchangeRaw(sidecar.proxyUrl, request)).toContain(' 407 ')
})

test('each request of a connection is authenticated', async () => {
  const { sidecar } = await start()
  const client = await openRaw(sidecar.proxyUrl)
  client.socket.write(
    get('/orders', 'localhost', basic('app', PASSWORD)).replace('close', 'keep-alive'),
  )
  await client.sees('HTTP/1.1 200 ')
  client.socket.write(get('/orders', 'localhost', basic('app', 'wrong')))
  await client.sees('HTTP/1.1 407 ')
  expect(client.received()).not.toContain(PASSWORD)
})

test('over HTTP/2 each stream is authenticated', async () => {
  const { sidecar } = await start()
  const client = await openFrameClient(sidecar.proxyUrl)
  const valid = ['proxy-authorization', basic('app', PASSWORD)]
  client.send(headersFrame(1, requestFields(valid, { path: '/orders' })))
  client.send(headersFrame(3, requestFields([], { path: '/orders' })))
  expect(valueOf((await client.response(1)).sections[0], ':status')).toBe('200')
  const refused = await client.response(3)
  expect(valueOf(refused.sections[0], ':status')).toBe('407')
  expect(valueOf(refused.sections[0], 'proxy-authenticate')).toBe(CHALLENGE)
})

test('a gRPC call without Proxy-Authorization fails with UNAUTHENTICATED', async () => {
  const { sidecar } = await start()
  const { code, details } = await createGrpcClient(sidecar.proxyUrl).unary('hello')
  expect({ code, details }).toEqual({
    code: 16,
    details: expect.stringContaining('the listener requires Proxy-Authorization'),
  })
})

test.for(['HTTP/1.1', 'HTTP/2'])('CONNECT over %s is authenticated', async (protocol) => {
  const echo = createServer((socket) => socket.pipe(socket)).listen(0, '127.0.0.1')
  await once(echo, 'listening')
  onTestFinished(() => void echo.close())
  const authority = `127.0.0.1:${portOf(echo)}`
  const { sidecar } = await start('', 'forward: pass')
  const connect = protocol === 'HTTP/2' ? connectOverHttp2 : connectOverHttp1
  expect(await connect(sidecar, authority, undefined)).toEqual({
    status: 407,
    challenge: CHALLENGE,
  })
  expect(await connect(sidecar, authority, basic('app', 'wrong'))).toMatchObject({ status: 407 })
  expect(await connect(sidecar, authority, basic('app', PASSWORD))).toMatchObject({ status: 200 })
})

test('with interception, CONNECT is authenticated, and the requests inside of it are not asked again', async () => {
  const api = await startServer((req, res) => void res.end(String(req.headers.authorization)))
  const listen = `{ address: "127.0.0.1:0", auth: { basic: [${user('app', PASSWORD)}] } }`
  const sidecar = await startIntercepting([{ host: 'api.test', upstream: api }], '', listen)
  const call = async (token?: string) => {
    const dispatcher = new ProxyAgent({
      uri: sidecar.proxyUrl,
      requestTls: { ca: sidecar.authority.certificate },
      ...(token !== undefined && { token }),
    })
    onTestFinished(async () => await dispatcher.destroy())
    const { body } = await requestByUndici('https://api.test/', { dispatcher })
    return await body.text()
  }
  await expect(call()).rejects.toThrow('407')
  await expect(call(basic('app', 'wrong'))).rejects.toThrow('407')
  expect(await call(basic('app', PASSWORD))).toBe(`Bearer ${INTERCEPTED_TOKEN}`)
  expect(await sidecar.logs()).toContain('"caller":"app"')
})

test.for(['HTTP/1.1', 'HTTP/2'])(
  'after a reload that removes a user, an intercepted connection that it opened by CONNECT over %s gets 407',
  async (protocol) => {
    const api = await startServer((_req, res) => void res.end('served'))
    const directory = await temporaryDirectory()
    const config = (username: string) => `
listen: { address: "127.0.0.1:0", auth: { basic: [${user(username, PASSWORD)}] } }
admin: 127.0.0.1:0
intercept: { ca: { directory: ${directory} } }
routes: [{ name: api, match: { host: api.test }, upstream: '${api}', credential: none }]
`
    const file = await writeConfig(config('app'))
    const program = await startProgramAt(file)
    const open = protocol === 'HTTP/1.1' ? tunnelOverHttp1 : tunnelOverHttp2
    const tunnel = await open(program.proxyUrl, 'api.test:443', basic('app', PASSWORD))
    const ca = await readFile(join(directory, 'ca-bundle.pem'))
    const client = follow(connectTls({ socket: tunnel, servername: 'api.test', ca }))
    client.socket.write('GET /first HTTP/1.1\r\nHost: api.test\r\n\r\n')
    await client.sees('served')
    await writeFile(file, config('other'))
    program.process.kill('SIGHUP')
    await until(() => program.output().includes('configuration reloaded'))
    client.socket.write('GET /second HTTP/1.1\r\nHost: api.test\r\nConnection: close\r\n\r\n')
    await client.ended
    expect(client.received()).toContain('HTTP/1.1 407 ')
  },
)

test('a caller without credentials learns nothing of the routes', async () => {
  const { sidecar } = await start()
  for (const target of ['/none', '/orders', 'http://api.example/', 'http://other.example/']) {
    const { host } = new URL(target, 'http://localhost')
    expect(await exchangeRaw(sidecar.proxyUrl, get(target, host))).toContain(' 407 ')
  }
})

test('the old and the new password are accepted while a user is listed twice', async () => {
  const { sidecar } = await start('', '', `[${user('app', PASSWORD)}, ${user('app', 'next')}]`)
  for (const password of [PASSWORD, 'next']) {
    const request = get('/orders', 'localhost', basic('app', password))
    expect(await exchangeRaw(sidecar.proxyUrl, request)).toContain(' 200 ')
  }
})

test('a password that changes in its file is accepted without a restart', async () => {
  const file = await fileWith('first\n')
  const users = `[{ username: app, password: { file: ${file} } }]`
  const { sidecar } = await start('', '', users, fastClock)
  const isAccepted = async (password: string) => {
    const request = get('/orders', 'localhost', basic('app', password))
    return (await exchangeRaw(sidecar.proxyUrl, request)).includes(' 200 ')
  }
  expect(await isAccepted('first')).toBe(true)
  await writeFile(file, 'second\n')
  await until(async () => await isAccepted('second'))
  expect(await isAccepted('first')).toBe(false)
})

test('a reload changes the users of an open listener', async () => {
  const api = await startServer((_req, res) => void res.end('served'))
  const config = (password: string) => `
listen: { address: "127.0.0.1:0", auth: { basic: [${user('app', password)}] } }
admin: 127.0.0.1:0
${forwardConfig(api)}`
  const file = await writeConfig(config('first'))
  const program = await startProgramAt(file)
  const isAccepted = async (password: string) => {
    const request = get('/', 'localhost', basic('app', password))
    return (await exchangeRaw(program.proxyUrl, request)).includes(' 200 ')
  }
  expect(await isAccepted('first')).toBe(true)
  await writeFile(file, config('second'))
  program.process.kill('SIGHUP')
  await until(async () => await isAccepted('second'))
  expect(await isAccepted('first')).toBe(false)
  expect(program.output()).not.toContain('need a restart')
})

test('the audit log has the listener, the user and the address of a rejected caller, but no password', async () => {
  const { sidecar } = await start()
  for (const value of [basic('app', 'guess-canary-1'), basic('guess-canary-2', 'x')]) {
    await exchangeRaw(sidecar.proxyUrl, get('/orders', 'localhost', value))
  }
  const logs = await sidecar.logs()
  const lines = logs
    .split('\n')
    .filter((line) => line.includes('"message":"proxy authentication failed"'))
    .map((line) => JSON.parse(line))
  const common = {
    level: 'warn',
    listener: 'default',
    reason: 'invalid_credentials',
    clientAddress: '127.0.0.1',
    requests: 1,
  }
  expect(lines).toEqual([
    expect.objectContaining({ ...common, caller: 'app' }),
    expect.objectContaining(common),
  ])
  expect(lines[1]).not.toHaveProperty('caller')
  expect(logs).not.toContain('canary')
  expect(logs).not.toContain('request failed')
})

test('rejected callers are counted by listener and reason', async () => {
  const { sidecar } = await start()
  const counted = async (reason: string) =>
    await metric(sidecar, REJECTED, { listener: 'default', reason })
  expect(await counted('no_credentials')).toBe(0)
  await exchangeRaw(sidecar.proxyUrl, get('/orders', 'localhost'))
  await exchangeRaw(sidecar.proxyUrl, get('/orders', 'localhost', basic('app', 'wrong')))
  await exchangeRaw(sidecar.proxyUrl, get('/orders', 'localhost', 'Basic'))
  expect(await counted('no_credentials')).toBe(1)
  expect(await counted('invalid_credentials')).toBe(2)
})

test('the access log names the user of a request', async () => {
  const { sidecar } = await start()
  await exchangeRaw(sidecar.proxyUrl, get('/orders', 'localhost', basic('app', PASSWORD)))
  const logs = await sidecar.logs()
  expect(logs).toContain('"caller":"app"')
  expect(logs).not.toContain(PASSWORD)
})

test('the sidecar does not start without the password of a user', async () => {
  const missing = '[{ username: app, password: { file: /no/such/file } }]'
  await expect(start('', '', missing)).rejects.toThrow('expected a file that can be read')
})

type Clock = Parameters<typeof startSidecar>[4]

async function start(
  credential = '',
  top = '',
  users = `[${user('app', PASSWORD)}]`,
  clock?: Clock,
) {
  const received: object[] = []
  const api = await startServer((req, res) => {
    received.push(req.headers)
    res.end('served')
  })
  const endpoint = await startTokenEndpoint((_request, res) => sendToken(res))
  const sidecar = await startSidecar(
    `
${top}
credentials:
  corp:
    tokenEndpoint: ${endpoint.url}
    clientId: a
    auth: { clientSecret: { value: s } }
    ${credential}
routes:
  - { name: orders, match: { path: /orders }, upstream: '${api}', credential: corp }
  - { name: api, match: { host: api.example }, upstream: '${api}', credential: corp }
`,
    {},
    `{ address: "127.0.0.1:0", auth: { basic: ${users} } }`,
    undefined,
    clock,
  )
  return { sidecar, received, tokenRequests: endpoint.requests }
}

function user(name: string, password: string): string {
  return `{ username: ${name}, password: { value: ${password} } }`
}

function basic(username: string, password: string): string {
  return `Basic ${btoa(`${username}:${password}`)}`
}

/** A request on a connection that is closed after it. */
function get(target: string, host: string, ...authorizations: readonly string[]): string {
  const lines = authorizations.map((value) => `Proxy-Authorization: ${value}\r\n`).join('')
  return `GET ${target} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n${lines}\r\n`
}

async function tunnelOverHttp1(proxyUrl: string, authority: string, value: string) {
  const client = await openRaw(
    proxyUrl,
    `CONNECT ${authority} HTTP/1.1\r\nHost: ${authority}\r\nProxy-Authorization: ${value}\r\n\r\n`,
  )
  await client.sees('HTTP/1.1 200 ')
  client.socket.removeAllListeners('data')
  return client.socket
}

async function tunnelOverHttp2(proxyUrl: string, authority: string, value: string) {
  const session = connectHttp2(proxyUrl)
  onTestFinished(() => session.destroy())
  const stream = session.request({
    ':method': 'CONNECT',
    ':authority': authority,
    'proxy-authorization': value,
  })
  await once(stream, 'response')
  return stream
}

async function connectOverHttp1(
  { proxyUrl }: RunningSidecar,
  authority: string,
  value: string | undefined,
) {
  const field = value === undefined ? '' : `Proxy-Authorization: ${value}\r\n`
  const response = await exchangeRaw(
    proxyUrl,
    `CONNECT ${authority} HTTP/1.1\r\nHost: ${authority}\r\n${field}\r\n`,
    (received) => received.startsWith('HTTP/1.1 200') && received.endsWith('\r\n\r\n'),
  )
  const [, challenge] = /\r\nProxy-Authenticate: (.*)\r\n/.exec(response) ?? []
  return { status: Number(response.slice(9, 12)), challenge }
}

async function connectOverHttp2(
  { proxyUrl }: RunningSidecar,
  authority: string,
  value: string | undefined,
) {
  const client = await openFrameClient(proxyUrl)
  const field = value === undefined ? [] : ['proxy-authorization', value]
  client.send(headersFrame(1, [':method', 'CONNECT', ':authority', authority, ...field], 4))
  await until(() => client.stream(1).sections.length > 0)
  const [head] = client.stream(1).sections
  return {
    status: Number(valueOf(head, ':status')),
    challenge: valueOf(head, 'proxy-authenticate'),
  }
}
