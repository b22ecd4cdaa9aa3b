import { createServer } from 'node:net'
import { once } from 'node:events'
import type { ServerResponse } from 'node:http'
import {
  brotliCompressSync,
  deflateRawSync,
  deflateSync,
  gzipSync,
  zstdCompressSync,
} from 'node:zlib'
import { expect, onTestFinished, test } from 'vitest'
import { callWith } from '../helpers/credential-call.ts'
import { portOf } from '../helpers/servers.ts'
import { sendToken, startTokenEndpoint } from '../helpers/token-endpoint.ts'

type Respond = (res: ServerResponse) => void

const TOKEN = { access_token: 'a-token', token_type: 'Bearer', expires_in: 300 }
const JSON_TEXT = JSON.stringify(TOKEN)

/** A response with this body, as JSON unless the headers say otherwise. */
function send(body: string | Buffer, headers: Record<string, string> = {}, status = 200): Respond {
  return (res) =>
    void res.writeHead(status, { 'content-type': 'application/json', ...headers }).end(body)
}

function sendFields(fields: Readonly<Record<string, unknown>>): Respond {
  return (res) => sendToken(res, fields)
}

/** A request whose token request gets this response. */
async function callAfter(respond: Respond, credential = '') {
  const endpoint = await startTokenEndpoint((_request, res) => respond(res))
  return await callWith(
    `tokenEndpoint: ${endpoint.url}\nclientId: app\nauth: { method: none }\n${credential}`,
  )
}

function sendLatin1Field(res: ServerResponse): void {
  res.socket?.end(`HTTP/1.1 200 OK\r\nX-Message: gr\u00FCn\r\n\r\n${JSON_TEXT}`, 'latin1')
}

function sendAfterEarlyHints(res: ServerResponse): void {
  res.writeEarlyHints({ link: '</style.css>; rel=preload' })
  sendToken(res)
}

function sendAsHttp10(res: ServerResponse): void {
  res.socket?.end(`HTTP/1.0 200 OK\r\n\r\n${JSON_TEXT}`)
}

const ALL_VISIBLE = Array.from({ length: 94 }, (_, index) => String.fromCharCode(33 + index)).join(
  '',
)

const USABLE: readonly { what: string; respond: Respond; token?: string }[] = [
  {
    what: 'every visible ASCII character in the token',
    respond: sendFields({ access_token: ALL_VISIBLE }),
    token: ALL_VISIBLE,
  },
  {
    what: 'the token of eBay',
    respond: sendFields({ access_token: 'v^1.1#i^1#p^1#r^0#I^3#f^0#t^H4s' }),
    token: 'v^1.1#i^1#p^1#r^0#I^3#f^0#t^H4s',
  },
  { what: 'status 201', respond: send(JSON_TEXT, {}, 201) },
  { what: 'status 203', respond: send(JSON_TEXT, {}, 203) },
  { what: 'gzip', respond: send(gzipSync(JSON_TEXT), { 'content-encoding': 'gzip' }) },
  { what: 'x-gzip', respond: send(gzipSync(JSON_TEXT), { 'content-encoding': 'x-gzip' }) },
  { what: 'deflate', respond: send(deflateSync(JSON_TEXT), { 'content-encoding': 'deflate' }) },
  {
    what: 'deflate without the zlib wrapper',
    respond: send(deflateRawSync(JSON_TEXT), { 'content-encoding': 'deflate' }),
  },
  { what: 'br', respond: send(brotliCompressSync(JSON_TEXT), { 'content-encoding': 'BR' }) },
  { what: 'zstd', respond: send(zstdCompressSync(JSON_TEXT), { 'content-encoding': 'zstd' }) },
  {
    what: 'two content codings',
    respond: send(brotliCompressSync(gzipSync(JSON_TEXT)), {
      'content-encoding': 'gzip, identity, br',
    }),
  },
  {
    what: 'a content coding that an intermediary has removed',
    respond: send(JSON_TEXT, { 'content-encoding': 'gzip' }),
  },
  {
    what: 'a charset for a content coding',
    respond: send(JSON_TEXT, { 'content-encoding': 'UTF-8' }),
  },
  { what: 'a byte order mark', respond: send(`\uFEFF${JSON_TEXT}`) },
  {
    what: 'UTF-16 with a byte order mark',
    respond: send(Buffer.from(`\uFEFF${JSON_TEXT}`, 'utf16le')),
  },
  {
    what: 'UTF-16 by its charset',
    respond: send(Buffer.from(JSON_TEXT, 'utf16le'), {
      'content-type': 'application/json; charset="utf-16le"',
    }),
  },
  { what: 'UTF-16 without a charset', respond: send(Buffer.from(JSON_TEXT, 'utf16le')) },
  {
    what: 'a byte order mark and a charset for a content coding',
    respond: send(`\uFEFF${JSON_TEXT}`, { 'content-encoding': 'utf-8' }),
  },
  {
    what: 'UTF-16 and a content coding that an intermediary has removed',
    respond: send(Buffer.from(`\uFEFF${JSON_TEXT}`, 'utf16le'), { 'content-encoding': 'gzip' }),
  },
  {
    what: 'white space and a content coding that an intermediary has removed',
    respond: send(`${' '.repeat(100)}${JSON_TEXT}`, { 'content-encoding': 'br' }),
  },
  {
    what: 'a content coding without Content-Encoding',
    respond: send(gzipSync(JSON_TEXT)),
  },
  {
    what: 'a content coding that is listed twice',
    respond: send(gzipSync(JSON_TEXT), { 'content-encoding': 'gzip, gzip' }),
  },
  {
    what: 'a charset that does not exist',
    respond: send(JSON_TEXT, { 'content-type': 'application/json; charset=binary' }),
  },
  { what: 'JSON as text/html', respond: send(JSON_TEXT, { 'content-type': 'text/html' }) },
  { what: 'JSON without a media type', respond: (res) => void res.end(JSON_TEXT) },
  {
    what: 'a form',
    respond: send('access_token=a-token&token_type=bearer&expires_in=300', {
      'content-type': 'application/x-www-form-urlencoded; charset=utf-8',
    }),
  },
  {
    what: 'a form as text',
    respond: send('access_token=a-token&token_type=bearer\n', { 'content-type': 'text/plain' }),
  },
  {
    what: 'a form and a charset for a content coding',
    respond: send('access_token=a-token&token_type=bearer', {
      'content-type': 'application/x-www-form-urlencoded',
      'content-encoding': 'utf-8',
    }),
  },
  {
    what: 'a form without a media type',
    respond: (res) => void res.end('access_token=a-token&token_type=bearer'),
  },
  {
    what: 'a form as text/html',
    respond: send('access_token=a-token&token_type=bearer', { 'content-type': 'text/html' }),
  },
  { what: 'white space around the JSON', respond: send(`\u00A0\r\n${JSON_TEXT}\r\n\u0000`) },
  {
    what: 'an unescaped line break in a string',
    respond: send(JSON_TEXT.replace('300', '300,"note":"a\r\n\tb"')),
  },
  { what: 'status 202', respond: send(JSON_TEXT, {}, 202) },
  { what: 'status 206', respond: send(JSON_TEXT, {}, 206) },
  { what: 'a header field that is not ASCII', respond: sendLatin1Field },
  { what: 'a preceding interim response', respond: sendAfterEarlyHints },
  { what: 'HTTP/1.0', respond: sendAsHttp10 },
  { what: 'an error that is 0', respond: sendFields({ error: 0, error_description: null }) },
  {
    what: 'members named like properties of Object.prototype',
    respond: send(JSON_TEXT.replace('300', '300,"__proto__":{"error":"x"},"constructor":1')),
  },
  {
    what: 'a token with JSON escapes',
    respond: send(JSON_TEXT.replace('a-token', '\\u0061-token')),
  },
  {
    what: 'the type between a tab and a line break',
    respond: sendFields({ token_type: '\tBearer\r\n' }),
  },
  { what: 'a scope that is an array', respond: sendFields({ scope: ['a', 'b'] }) },
  { what: 'a scope that is a number', respond: sendFields({ scope: 7 }) },
  { what: 'a scope that is an object', respond: sendFields({ scope: { a: true } }) },
  { what: 'a scope that is null', respond: sendFields({ scope: null }) },
  { what: 'a refresh token that is null', respond: sendFields({ refresh_token: null }) },
  { what: 'an invalid ID token', respond: sendFields({ id_token: 'none' }) },
  { what: 'an error that is null', respond: sendFields({ error: null }) },
  { what: 'ext_expires_in', respond: sendFields({ ext_expires_in: '300', not_before: '0' }) },
  { what: 'the type in lower case', respond: sendFields({ token_type: 'bearer' }) },
  { what: 'the type in upper case', respond: sendFields({ token_type: 'BEARER' }) },
  { what: 'the type between spaces', respond: sendFields({ token_type: ' Bearer ' }) },
  { what: 'a lifetime that is not a number', respond: sendFields({ expires_in: 'soon' }) },
  { what: 'a lifetime that is an array', respond: sendFields({ expires_in: [] }) },
  { what: 'duplicate members', respond: send(`{"token_type":"x",${JSON_TEXT.slice(1)}`) },
]

test.for(USABLE)('a token response with $what is used', async ({ respond, token = 'a-token' }) => {
  const { status, body } = await callAfter(respond)
  expect({ status, body }).toEqual({ status: 200, body: `Bearer ${token}` })
})

const UNUSABLE: readonly { what: string; respond: Respond; detail: string; code?: string }[] = [
  ...(
    [
      ['a space', 'a b', 'a space at position 2'],
      ['a line break at the end', 'ab\n', 'a control character at position 3'],
      ['a NUL', '\u0000', 'a control character at position 1'],
      ['a DEL', 'a\u007F', 'a control character at position 2'],
      ['a letter that is not ASCII', 'gr\u00FCn', 'a character that is not ASCII at position 3'],
      ['a C1 control character', 'a\u0085', 'a character that is not ASCII at position 2'],
    ] as const
  ).map(([what, access_token, detail]) => ({
    what: `${what} in the token`,
    respond: sendFields({ access_token }),
    detail,
  })),
  {
    what: 'a token that is a number',
    respond: sendFields({ access_token: 7 }),
    detail: 'access_token',
  },
  {
    what: 'a token that is null',
    respond: sendFields({ access_token: null }),
    detail: 'access_token',
  },
  {
    what: 'a token within another member',
    respond: send(JSON.stringify({ data: TOKEN })),
    detail: 'no access_token',
  },
  { what: 'an array', respond: send(`[${JSON_TEXT}]`), detail: 'not a JSON object' },
  {
    what: 'a form as JSON',
    respond: send('access_token=a-token&token_type=bearer'),
    detail: 'not a JSON object',
  },
  {
    what: 'an HTML page that contains a form',
    respond: send('<a href="/?a&access_token=a-token&token_type=bearer">', {
      'content-type': 'text/html',
    }),
    detail: 'not a JSON object',
  },
  {
    what: 'an unescaped line break in the token',
    respond: send(JSON_TEXT.replace('a-token', 'a\ntoken')),
    detail: 'a space at position 2',
  },
  { what: 'status 204', respond: (res) => void res.writeHead(204).end(), detail: 'status 204' },
  { what: 'status 205', respond: (res) => void res.writeHead(205).end(), detail: 'status 205' },
  {
    what: 'a truncated gzip body',
    respond: send(gzipSync(JSON_TEXT).subarray(0, 30), { 'content-encoding': 'gzip' }),
    detail: 'the body is not valid "gzip"',
  },
  {
    what: 'an unknown content coding',
    respond: send(gzipSync(JSON_TEXT), { 'content-encoding': 'compress' }),
    detail: 'content coding is not supported',
  },
  {
    what: 'four content codings',
    respond: send(gzipSync(gzipSync(gzipSync(gzipSync(JSON_TEXT)))), {
      'content-encoding': 'gzip, gzip, gzip, gzip',
    }),
    detail: 'content coding is not supported',
  },
  ...(
    [
      ['gzip', gzipSync],
      ['deflate', deflateSync],
      ['br', brotliCompressSync],
      ['zstd', zstdCompressSync],
    ] as const
  ).map(([coding, compress]) => ({
    what: `a decompression bomb in ${coding}`,
    respond: send(compress(JSON.stringify({ ...TOKEN, more: ' '.repeat(10_000_000) })), {
      'content-encoding': coding,
    }),
    detail: 'the body is too large',
  })),
  {
    what: 'status 200 and an error',
    respond: send('{"error":"invalid_client","access_token":null}'),
    code: 'token_rejected',
    detail: 'invalid_client',
  },
]

test.for(UNUSABLE)(
  'a token response with $what is rejected',
  async ({ respond, detail, code = 'token_invalid' }) => {
    const { body } = await callAfter(respond)
    expect(JSON.parse(body)).toMatchObject({ code, detail: expect.stringContaining(detail) })
  },
)

test.for([
  [3600, 3600],
  ['3600', 3600],
  [' 3600 ', 3600],
  ['3600.0', 3600],
  ['3.6e3', 3600],
  ['+3600', 3600],
  ['3600s', 3600],
  ['3600 seconds', 3600],
  ['3600.0 sec', 3600],
  [3600.9, 3601],
  ['-1', 300],
  ['3,600', 300],
  [[3600], 300],
  [1e300, 365 * 86_400],
  [0, 300],
  [-1, 300],
  ['', 300],
  ['never', 300],
  [null, 300],
  [{}, 300],
  [true, 300],
  ['1e999', 365 * 86_400],
] as const)('expires_in: %j is a lifetime of %i s', async ([expires_in, lifetime]) => {
  const { sidecar } = await callAfter(sendFields({ expires_in }))
  expect(await tokenOf(sidecar.adminUrl)).toMatchObject({ lifetimeSeconds: lifetime })
})

async function tokenOf(adminUrl: string): Promise<unknown> {
  const status: { tokens: unknown[] } = JSON.parse(await (await fetch(`${adminUrl}/status`)).text())
  return status.tokens[0]
}

test('expires_in as the JSON number 3600.0 or 3.6e3 is a lifetime of 3600 s', async () => {
  for (const written of ['3600.0', '3.6e3']) {
    const { sidecar } = await callAfter(send(JSON_TEXT.replace('300', written)))
    expect(await tokenOf(sidecar.adminUrl)).toMatchObject({ lifetimeSeconds: 3600 })
  }
})

test.for([
  { received: 'BearerToken', tokenType: 'BearerToken' },
  { received: 'bearertoken', tokenType: 'BearerToken' },
  { received: 'Application Access Token', tokenType: 'Application Access Token' },
  { received: undefined, tokenType: 'Bearer' },
  { received: null, tokenType: 'Bearer' },
  { received: '', tokenType: 'BearerToken' },
  { received: 'Bearer', tokenType: 'BearerToken' },
])('tokenType: $tokenType accepts the token_type $received', async ({ received, tokenType }) => {
  const { status, body } = await callAfter(
    sendFields({ token_type: received }),
    `tokenType: ${tokenType}`,
  )
  expect({ status, body }).toEqual({ status: 200, body: 'Bearer a-token' })
})

test.for([
  {
    received: undefined,
    detail: 'it has no token_type; if its tokens are bearer tokens, set "tokenType: Bearer"',
  },
  {
    received: 'BearerToken',
    detail:
      'its token_type is "BearerToken"; if its tokens are bearer tokens, set "tokenType: BearerToken"',
  },
  {
    received: 'mac',
    detail: 'its token_type is "mac", which cannot be sent as a bearer token (see "tokenType")',
  },
  { received: 'N_A', detail: 'its token_type is "N_A", which cannot be sent' },
  { received: 'DPoP', detail: 'its token_type is "DPoP", and the credential has no "dpop"' },
  { received: 7, detail: 'its token_type is unknown (see "tokenType")' },
  { received: 'a-token', detail: 'its token_type is unknown' },
  { received: 'x\u001B[2J', detail: 'its token_type is unknown' },
  { received: 'x'.repeat(41), detail: 'its token_type is unknown' },
])(
  'the token_type $received is rejected, with the setting to change',
  async ({ received, detail }) => {
    for (const credential of ['', 'tokenType: Other']) {
      if (received === undefined && credential !== '') continue
      const { status, body } = await callAfter(sendFields({ token_type: received }), credential)
      expect(status).toBe(502)
      expect(JSON.parse(body)).toMatchObject({ detail: expect.stringContaining(detail) })
    }
  },
)

/** A request whose token request gets this status code, valid or not. */
async function callAfterStatus(code: string) {
  const server = createServer((socket) => {
    socket.once('data', () => {
      socket.end(`HTTP/1.1 ${code} Whatever\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}`)
    })
    socket.on('error', () => {})
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => void server.close())
  return await callWith(
    `tokenEndpoint: http://127.0.0.1:${portOf(server)}/token\nclientId: app\nauth: { method: none }`,
  )
}

test.for(['600', '700', '999'])(
  'the invalid status code %s is reported with its value',
  async (code) => {
    const { status, body } = await callAfterStatus(code)
    expect(status).toBe(503)
    expect(JSON.parse(body)).toMatchObject({
      code: 'token_unavailable',
      detail: expect.stringMatching(new RegExp(`it has the invalid status code ${code}$`)),
    })
  },
)

test.for([
  { code: '000', detail: 'invalid status code' },
  { code: '099', detail: 'invalid status code' },
  { code: '101', detail: 'an unrequested 101' },
  { code: '20', detail: 'the response is not valid HTTP' },
  { code: '1000', detail: 'the response is not valid HTTP' },
])('the status code $code is reported as an invalid token response', async ({ code, detail }) => {
  const { body } = await callAfterStatus(code)
  expect(JSON.parse(body)).toMatchObject({
    code: 'token_invalid',
    detail: expect.stringContaining(detail),
  })
})
