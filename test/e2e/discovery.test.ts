import type { ServerResponse } from 'node:http'
import { expect, test } from 'vitest'
import { callWith } from '../helpers/one-call.ts'
import { startServer } from '../helpers/servers.ts'
import { sendToken } from '../helpers/token-endpoint.ts'
import { until } from '../helpers/wait.ts'

type Answer = (res: ServerResponse, origin: string) => void

/** An authorization server that answers at these paths, and 404 elsewhere; `/token` gives tokens. */
async function startServerWith(answers: Readonly<Record<string, Answer>>) {
  const paths: string[] = []
  const origin: string = await startServer((req, res) => {
    const path = req.url ?? ''
    paths.push(path)
    const answer = answers[path]
    if (answer !== undefined) answer(res, origin)
    else if (path === '/token') sendToken(res)
    else res.writeHead(404).end()
  })
  return { origin, paths }
}

function credential(issuer: string): string {
  return `issuer: ${issuer}\nclientId: app\nauth: { method: none }`
}

/** Metadata of the issuer at `path` of this server. */
function metadata(path: string, changes: Readonly<Record<string, unknown>> = {}): Answer {
  return (res, origin) => {
    const whole = { issuer: origin + path, token_endpoint: `${origin}/token`, ...changes }
    res.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(whole))
  }
}

const RFC_8414 = '/.well-known/oauth-authorization-server'
const OPENID = '/.well-known/openid-configuration'

test.for([
  { what: 'an issuer without a path', path: '', at: RFC_8414, asked: [RFC_8414, '/token'] },
  {
    what: 'an issuer with a path, before which the well-known part goes',
    path: '/realms/corp',
    at: `${RFC_8414}/realms/corp`,
    asked: [`${RFC_8414}/realms/corp`, '/token'],
  },
  {
    what: 'an OpenID provider',
    path: '',
    at: OPENID,
    asked: [RFC_8414, OPENID, '/token'],
  },
  {
    what: 'an OpenID provider with a path, behind which the well-known part goes',
    path: '/realms/corp',
    at: `/realms/corp${OPENID}`,
    asked: [`${RFC_8414}/realms/corp`, `/realms/corp${OPENID}`, '/token'],
  },
  {
    what: 'an OpenID provider whose issuer ends in a slash',
    path: '/tenant/',
    at: `/tenant${OPENID}`,
    // RFC 8414 section 3.1 takes the slash away.
    asked: [`${RFC_8414}/tenant`, `/tenant${OPENID}`, '/token'],
  },
])('the token endpoint is found by $what', async ({ path, at, asked }) => {
  const { origin, paths } = await startServerWith({ [at]: metadata(path) })
  const { body } = await callWith(credential(origin + path))
  expect(body).toBe('Bearer a-token')
  expect(paths).toEqual(asked)
})

test('metadata is read once, not for every token', async () => {
  const { origin, paths } = await startServerWith({
    [RFC_8414]: metadata(''),
    '/token': (res) => sendToken(res, { expires_in: 1 }),
  })
  const { sidecar } = await callWith(credential(origin))
  await until(async () => {
    expect((await fetch(sidecar.proxyUrl)).status).toBe(200)
    return paths.length > 2
  })
  expect(paths).toEqual([RFC_8414, '/token', '/token'])
})

const UNUSABLE: readonly { what: string; answer: Answer; told: string }[] = [
  {
    what: 'of another issuer',
    answer: metadata('', { issuer: 'https://login.example' }),
    told: 'it names another issuer',
  },
  {
    what: 'of an issuer with a slash more',
    answer: metadata('/'),
    told: 'its own issuer differs in the slash at the end',
  },
  {
    what: 'without an issuer',
    answer: metadata('', { issuer: undefined }),
    told: 'it names another issuer',
  },
  {
    what: 'without a token endpoint',
    answer: metadata('', { token_endpoint: undefined }),
    told: 'it has no token endpoint',
  },
  {
    what: 'with a token endpoint that is no URL',
    answer: metadata('', { token_endpoint: '/token' }),
    told: 'it has no token endpoint',
  },
  {
    what: 'with a token endpoint that is reached in the open',
    answer: metadata('', { token_endpoint: 'http://login.example/token' }),
    told: 'its token endpoint is not https',
  },
  { what: 'that is a page', answer: (res) => void res.end('<html>'), told: 'no JSON' },
  { what: 'that is a list', answer: (res) => void res.end('[]'), told: 'it names another issuer' },
  { what: 'that is nothing', answer: (res) => void res.end('null'), told: 'no JSON object' },
  {
    what: 'that is elsewhere',
    answer: (res) => void res.writeHead(302, { location: '/token' }).end(),
    told: 'nothing at its .well-known addresses',
  },
]

test.for(UNUSABLE)('metadata $what is not used', async ({ answer, told }) => {
  const { origin, paths } = await startServerWith({ [RFC_8414]: answer })
  const { status, body } = await callWith(credential(origin))
  expect(status).toBe(502)
  expect(JSON.parse(body)).toMatchObject({
    code: 'token_invalid',
    detail: expect.stringContaining(told),
  })
  expect(paths).not.toContain('/token')
})

test.for([500, 503, 429])('metadata that gives %i is requested again soon', async (status) => {
  let isWell = false
  const { origin, paths } = await startServerWith({
    [RFC_8414]: (res, own) => {
      if (isWell) metadata('')(res, own)
      else res.writeHead(status).end()
      isWell = true
    },
  })
  const { status: first, body, sidecar } = await callWith(credential(origin))
  expect(first).toBe(503)
  expect(JSON.parse(body)).toMatchObject({
    code: 'token_unavailable',
    detail: expect.stringContaining(`status ${status}`),
  })
  await until(async () => (await fetch(sidecar.proxyUrl)).status === 200)
  expect(paths).toEqual([RFC_8414, OPENID, RFC_8414, '/token'])
})

test('a token endpoint that has moved is found again', async () => {
  let place = '/old'
  const { origin, paths } = await startServerWith({
    [RFC_8414]: (res, own) => metadata('', { token_endpoint: own + place })(res, own),
    '/old': (res) => {
      if (place === '/old') sendToken(res, { expires_in: 1, access_token: 'from-old' })
      else res.writeHead(404).end()
    },
    '/new': (res) => sendToken(res, { access_token: 'from-new' }),
  })
  const { body, sidecar } = await callWith(credential(origin))
  expect(body).toBe('Bearer from-old')
  place = '/new'
  await until(async () => (await (await fetch(sidecar.proxyUrl)).text()) === 'Bearer from-new')
  expect(paths).toEqual([RFC_8414, '/old', '/old', RFC_8414, '/new'])
})

test('a refusal is no reason to read the metadata again', async () => {
  let accepts = false
  const { origin, paths } = await startServerWith({
    [RFC_8414]: metadata(''),
    '/token': (res) => {
      if (accepts) sendToken(res)
      else res.writeHead(400).end('{"error":"invalid_scope"}')
    },
  })
  const { status, sidecar } = await callWith(credential(origin))
  expect(status).toBe(502)
  accepts = true
  const renewed = await fetch(`${sidecar.adminUrl}/credentials/corp/renew`, { method: 'POST' })
  expect(renewed.status).toBe(200)
  expect(paths).toEqual([RFC_8414, '/token', '/token'])
})
