import { chmod, mkdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { expect, test } from 'vitest'
import { runCommand, writeConfig } from '../../helpers/cli.ts'
import { forwardConfig } from '../../helpers/config-text.ts'
import { createSigningKey } from '../../helpers/signing-keys.ts'

const CONFIG = `credentials:
  corp: { issuer: https://login.example.com, clientId: a, auth: { clientSecret: { file: secret } } }
${forwardConfig('https://a.example').replace('credential: none', 'credential: corp')}`

/** `check` with files beside the configuration. */
async function checkWith(
  config: string | Buffer,
  files: Readonly<Record<string, string | Buffer>>,
) {
  const file = await writeConfig('')
  await writeFile(file, config)
  for (const [name, content] of Object.entries(files)) {
    await writeFile(join(dirname(file), name), content)
  }
  return { file, ...(await runCommand(['check', '-c', file])) }
}

function utf16(text: string, byteOrderMark: boolean, isBigEndian: boolean): Buffer {
  const bytes = Buffer.from((byteOrderMark ? '\uFEFF' : '') + text, 'utf16le')
  return isBigEndian ? bytes.swap16() : bytes
}

test.for([
  [true, false],
  [true, true],
  [false, false],
  [false, true],
] as const)(
  'a configuration in UTF-16 is reported as such (byte order mark: %s, big-endian: %s)',
  async ([mark, big]) => {
    const { code, err } = await checkWith(utf16(CONFIG, mark, big), {})
    expect(code).toBe(3)
    expect(err).toMatch(/^Cannot read the configuration "[^"]*": it is UTF-16; save it as UTF-8\n/)
  },
)

test('a configuration in UTF-32 is reported as such', async () => {
  const { err } = await checkWith(Buffer.from([0xff, 0xfe, 0, 0, 0x61, 0, 0, 0]), {})
  expect(err).toContain('it is UTF-32; save it as UTF-8')
})

test('the line of a configuration that is not UTF-8 is reported', async () => {
  const { code, err } = await checkWith(
    Buffer.from(`# fine\n# Gr\u00F6\u00DFe\n${CONFIG}`, 'latin1'),
    {},
  )
  expect(code).toBe(3)
  expect(err).toContain(': line 2 is not UTF-8; save the file as UTF-8\n')
})

test('a secret file in UTF-16, as PowerShell writes it, is reported as such', async () => {
  const { code, err } = await checkWith(CONFIG, { secret: utf16('s3cret\r\n', true, false) })
  expect(code).toBe(3)
  expect(err).toContain('expected a file that can be read (it is UTF-16; save it as UTF-8)')
})

test('the position of a byte that is not UTF-8 in a secret file is reported', async () => {
  const { err } = await checkWith(CONFIG, { secret: Buffer.from('s\u00E9cret', 'latin1') })
  expect(err).toContain('character 2 is U+FFFD (in place of bytes that are not UTF-8)')
  expect(err).not.toContain('cret"')
})

test('check warns about a world-writable secret file, but not about a world-readable one', async () => {
  const { file, code, err } = await checkWith(CONFIG, { secret: 's3cret' })
  expect({ code, err }).toEqual({ code: 0, err: '' })
  await chmod(join(dirname(file), 'secret'), 0o666)
  const outcome = await runCommand(['check', '-c', file])
  expect(outcome.code).toBe(0)
  expect(outcome.err).toContain(
    'credentials.corp.auth.clientSecret.file: every user of this machine can change this file (mode 0666); "chmod o-w" takes that permission away (warning)\n',
  )
})

test('check warns about a world-writable key file', async () => {
  const auth = 'auth: { method: private_key_jwt, algorithm: ES256, key: { file: key.pem } }'
  const config = CONFIG.replace('auth: { clientSecret: { file: secret } }', auth)
  const { file } = await checkWith(config, { 'key.pem': createSigningKey('ES256').text('PKCS#8') })
  await chmod(join(dirname(file), 'key.pem'), 0o602)
  expect((await runCommand(['check', '-c', file])).err).toContain(
    'credentials.corp.auth.key.file: every user of this machine can change this file (mode 0602)',
  )
})

test.for([
  { key: 'listen', at: 'listen.unix', value: '{ unix: PATH }' },
  { key: 'listen', at: 'listen.address', value: '{ address: "unix:PATH" }' },
  { key: 'listen', at: 'listen[0].address.unix', value: '[{ address: { unix: PATH } }]' },
  { key: 'admin', at: 'admin.unix', value: '{ unix: PATH }' },
])('the socket of "$at" needs a directory', async ({ key, at, value }) => {
  const file = await writeConfig('')
  const directory = join(dirname(file), 'run')
  const setting = value.replace('PATH', `${directory}/app.sock`)
  const config = `${key}: ${setting}\n${forwardConfig('https://a.example')}`
  await writeFile(file, config)
  const missing = await runCommand(['check', '-c', file])
  expect(missing.code).toBe(3)
  expect(missing.err).toContain(
    `${at}: expected a socket in a directory that exists, and "${directory}" does not`,
  )
  await mkdir(directory)
  expect(await runCommand(['check', '-c', file])).toMatchObject({ code: 0, err: '' })
})

test('check warns about a world-writable configuration file and directory', async () => {
  const { file } = await checkWith(CONFIG, { secret: 's3cret' })
  await chmod(file, 0o666)
  await chmod(dirname(file), 0o777)
  const { code, err } = await runCommand(['check', '-c', file])
  expect(code).toBe(0)
  expect(err).toContain(
    `${file}:1:1 every user of this machine can change the configuration file (mode 0666); "chmod o-w" takes that permission away (warning)\n`,
  )
  expect(err).toContain(
    `can change the directory "${dirname(file)}" of the configuration file (mode 0777)`,
  )
  await chmod(dirname(file), 0o755)
  await chmod(file, 0o644)
  expect((await runCommand(['check', '-c', file])).err).toBe('')
})
