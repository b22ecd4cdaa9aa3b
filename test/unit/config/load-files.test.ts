import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { loadConfig } from '../../../src/config/load.ts'
import { createFileReader } from '../../../src/config/read-file.ts'
import { createAuthority } from '../../helpers/certificates.ts'
import { configWith, faultsOf, type Given } from '../../helpers/problems.ts'
import { temporaryDirectory } from '../../helpers/sidecar.ts'
import { createSigningKey, PASSPHRASE } from '../../helpers/signing-keys.ts'

const AT = 'credentials.corp.auth.clientSecret'

/** The problems of a secret file with this content; undefined for a missing file. */
async function secretFileFaults(content: string | undefined): Promise<string[]> {
  return await faultsOf(
    { credential: { auth: { clientSecret: { file: 'secret' } } } },
    { files: content === undefined ? {} : { secret: content } },
  )
}

test.for(['s3cret', 's3cret\n', 's3cret\r\n', ' with spaces ', '~!"#%'])(
  'the secret file %j is accepted',
  async (content) => {
    expect(await secretFileFaults(content)).toEqual([])
  },
)

test.for([
  [undefined, 'expected a file that can be read (no such file)'],
  ['', 'expected a secret, and it is empty'],
  ['\n', 'expected a secret, and it is empty'],
  [
    'a\nb',
    'expected a secret of printable ASCII characters on one line, and character 2 is U+000A (line feed)',
  ],
  [
    'a\n\n',
    'expected a secret of printable ASCII characters on one line, and character 2 is U+000A (line feed)',
  ],
  [
    'sécret',
    'expected a secret of printable ASCII characters on one line, and character 2 is U+00E9',
  ],
  [
    '\uFEFFs3cret',
    'expected a secret of printable ASCII characters on one line, and character 1 is U+FEFF (byte order mark)',
  ],
] as const)('the secret file %j is rejected: %s', async ([content, message]) => {
  expect(await secretFileFaults(content)).toEqual([`${AT}.file: ${message}`])
})

test.for([
  [{}, 'it is not set'],
  [{ OTHER: '' }, 'it is empty'],
] as const)(
  'a secret from a variable is rejected with the name of the variable, in the environment %j: %s',
  async ([env, state]) => {
    expect(
      await faultsOf({ credential: { auth: { clientSecret: { env: 'OTHER' } } } }, { env }),
    ).toEqual([
      `${AT}.env: expected the environment variable OTHER to be set and not empty, and ${state}`,
    ])
  },
)

test('a secret from an unset variable named like a property of Object.prototype is rejected', async () => {
  expect(
    await faultsOf({ credential: { auth: { clientSecret: { env: 'constructor' } } } }),
  ).toHaveLength(1)
})

test('a CA certificate is validated, for a credential and for a route', async () => {
  const { certificate } = await createAuthority()
  const tls = { ca: { file: 'ca.pem' } }
  const given: Given = { credential: { tls }, route: { tls } }
  expect(await faultsOf(given, { files: { 'ca.pem': certificate } })).toEqual([])
  expect(
    await faultsOf(given, { files: { 'ca.pem': `${certificate}\n${certificate}\n` } }),
  ).toEqual([])
  expect(await faultsOf(given, { files: { 'ca.pem': 'none' } })).toEqual([
    'credentials.corp.tls.ca.file: expected a certificate in PEM form, got "ca.pem"',
    'routes[0].tls.ca.file: expected a certificate in PEM form, got "ca.pem"',
  ])
  expect(await faultsOf(given)).toEqual([
    'credentials.corp.tls.ca.file: expected a file that can be read (no such file), got "ca.pem"',
    'routes[0].tls.ca.file: expected a file that can be read (no such file), got "ca.pem"',
  ])
})

const KEYS = {
  'rsa.pem': createSigningKey('RS256').text('PKCS#8'),
  'rsa1.pem': createSigningKey('RS256').text('PKCS#1'),
  'ec.pem': createSigningKey('ES256').text('PKCS#8'),
  'ec1.pem': createSigningKey('ES256').text('SEC 1'),
  'ec.jwk': createSigningKey('ES256').text('JWK'),
  'ed.pem': createSigningKey('EdDSA').text('PKCS#8'),
  'locked.pem': createSigningKey('ES256').text('encrypted PKCS#8'),
  'broken.pem': '-----BEGIN PRIVATE KEY-----\nnone\n-----END PRIVATE KEY-----\n',
  'broken.jwk': '{"kty":"EC","d":',
  'text.txt': 's3cret\n',
  'empty.pem': '\n',
}

/** The problems of a private key for this algorithm. */
async function keyFaults(file: string, algorithm: string, passphrase?: string): Promise<string[]> {
  const locked = passphrase === undefined ? {} : { passphrase: { env: 'PASSPHRASE' } }
  const auth = { method: 'private_key_jwt', algorithm, key: { file }, ...locked }
  return await faultsOf(
    { credential: { auth } },
    { files: KEYS, env: { PASSPHRASE: passphrase ?? '' } },
  )
}

test.for([
  { file: 'rsa.pem', algorithm: 'RS256' },
  { file: 'rsa.pem', algorithm: 'PS256' },
  { file: 'rsa1.pem', algorithm: 'RS256' },
  { file: 'ec.pem', algorithm: 'ES256' },
  { file: 'ec1.pem', algorithm: 'ES256' },
  { file: 'ec.jwk', algorithm: 'ES256' },
  { file: 'ed.pem', algorithm: 'EdDSA' },
  { file: 'locked.pem', algorithm: 'ES256', passphrase: PASSPHRASE },
])('the key $file is accepted for $algorithm', async ({ file, algorithm, passphrase }) => {
  expect(await keyFaults(file, algorithm, passphrase)).toEqual([])
})

test.for([
  { file: 'none.pem', algorithm: 'ES256' },
  { file: 'empty.pem', algorithm: 'ES256' },
  { file: 'broken.pem', algorithm: 'ES256' },
  { file: 'broken.jwk', algorithm: 'ES256' },
  { file: 'text.txt', algorithm: 'ES256' },
  { file: 'rsa.pem', algorithm: 'ES256' },
  { file: 'ec.pem', algorithm: 'RS256' },
  { file: 'ec.pem', algorithm: 'EdDSA' },
  { file: 'locked.pem', algorithm: 'ES256' },
  { file: 'locked.pem', algorithm: 'ES256', passphrase: 'another' },
])('the key $file is rejected for $algorithm when the configuration is loaded', async (given) => {
  expect(await keyFaults(given.file, given.algorithm, given.passphrase)).toEqual([
    expect.stringMatching(/^credentials\.corp\.auth\.key\.file: expected a /),
  ])
})

test('the keys of a grant and of DPoP are validated', async () => {
  const key = { file: 'text.txt' }
  const auth = { method: 'none' }
  expect(
    await faultsOf(
      { credential: { auth, grant: { type: 'jwt_bearer', key }, dpop: { key } } },
      { files: KEYS },
    ),
  ).toEqual([
    expect.stringMatching(/^credentials\.corp\.grant\.key\.file: expected a /),
    expect.stringMatching(/^credentials\.corp\.dpop\.key\.file: expected a /),
  ])
})

/** A route with a client certificate and this key file. */
function withClientKey(key: string): Given {
  return {
    route: { tls: { client: { certificate: { file: 'mine.pem' }, key: { file: key } } } },
  }
}

test('a client certificate with another key is rejected', async () => {
  const authority = await createAuthority()
  const mine = await authority.issue('me', ['me.example'])
  const other = await authority.issue('other', ['other.example'])
  const files = { 'mine.pem': mine.certificate, 'mine.key': mine.key, 'other.key': other.key }
  expect(await faultsOf(withClientKey('mine.key'), { files })).toEqual([])
  expect(await faultsOf(withClientKey('other.key'), { files })).toEqual([
    'routes[0].tls.client: expected a certificate and the private key that belongs to it',
  ])
  expect(await faultsOf(withClientKey('none.key'), { files })).toEqual([
    'routes[0].tls.client.key.file: expected a file that can be read (no such file), got "none.key"',
  ])
})

test('a key "file" in a free-form map is not a file name', async () => {
  const parameters = { file: 'a', env: 'b', value: 'c' }
  expect(await faultsOf({ credential: { parameters, headers: parameters } })).toEqual([])
})

test('every missing file is reported, even if the configuration has other problems', async () => {
  const missing = { auth: { clientSecret: { file: 'missing' } }, tls: { ca: { file: 'missing' } } }
  expect(
    await faultsOf({
      credential: missing,
      top: { routes: [7, { tls: { ca: { file: 'missing' } } }] },
    }),
  ).toEqual(
    expect.arrayContaining([
      expect.stringMatching(/^credentials\.corp\.auth\.clientSecret\.file: expected a file/),
      expect.stringMatching(/^credentials\.corp\.tls\.ca\.file: expected a file/),
      expect.stringMatching(/^routes\[1\]\.tls\.ca\.file: expected a file/),
    ]),
  )
  const credentials = { broken: null, corp: missing }
  expect(await faultsOf({ top: { credentials } })).toEqual(
    expect.arrayContaining([
      expect.stringMatching(/^credentials\.corp\.auth\.clientSecret\.file: expected a file/),
    ]),
  )
})

test('file names are relative to the directory of the configuration, and unreadable files are reported', async () => {
  const directory = await temporaryDirectory()
  await mkdir(join(directory, 'folder'))
  await writeFile(join(directory, 'folder', 'secret'), 's3cret\n')
  const places = { env: {}, readFile: createFileReader(directory) }
  const loadWith = async (file: string) =>
    await loadConfig(
      JSON.stringify(configWith({ credential: { auth: { clientSecret: { file } } } })),
      places,
    )
  expect(await loadWith('folder/secret')).toMatchObject({ ok: true })
  expect(await loadWith(join(directory, 'folder/secret'))).toMatchObject({ ok: true })
  expect(await loadWith('folder')).toMatchObject({
    problems: [{ message: 'expected a file that can be read (it is a directory)' }],
  })
  expect(await loadWith('folder/none')).toMatchObject({
    problems: [{ message: 'expected a file that can be read (no such file)' }],
  })
})

test('a configuration whose only problem is a missing secret is returned, an invalid one is not', async () => {
  const places = { env: {}, readFile: createFileReader(await temporaryDirectory()) }
  const load = async (given: Given, more = '') =>
    await loadConfig(JSON.stringify(configWith(given)) + more, places)
  expect(await load({})).toMatchObject({ ok: false, config: { routes: [{ name: 'orders' }] } })
  expect(await load({ route: { keepPath: 7 } })).toMatchObject({ ok: false, config: undefined })
  expect(await load({ route: { credential: 'x' } })).toMatchObject({ ok: false, config: undefined })
})

test('a configuration with a duplicate key is not returned', async () => {
  const places = { env: {}, readFile: createFileReader(await temporaryDirectory()) }
  const route = 'match: { path: / }, upstream: "https://a.example", credential: none'
  const result = await loadConfig(`routes: [{ name: a, name: b, ${route} }]`, places)
  expect(result).toMatchObject({ ok: false, config: undefined })
})
