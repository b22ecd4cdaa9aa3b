import { chmod, chown, mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { ensureAuthorities } from '../../../src/certificates/authority-directory.ts'
import { readAuthorityState } from '../../../src/certificates/authority-state.ts'
import { generateAuthority } from '../../../src/certificates/generate-authority.ts'
import { createAuthority } from '../../helpers/certificates.ts'
import { createFakeClock } from '../../helpers/fake-clock.ts'
import { temporaryDirectory } from '../../helpers/sidecar.ts'

const DAY_MS = 86_400_000

async function createDirectory() {
  const directory = join(await temporaryDirectory(), 'ca')
  const clock = createFakeClock()
  return {
    directory,
    clock,
    ensure: async (...hosts: string[]) =>
      await ensureAuthorities(directory, hosts, () => clock.wallMs()),
    fileNames: async () => (await readdir(directory)).toSorted(),
  }
}

test('a CA is created with a directory, in a file that only its owner can read', async () => {
  const { directory, ensure, fileNames } = await createDirectory()
  const { createdFor } = await ensure('api.example.com')
  expect(createdFor).toEqual(['api.example.com'])
  expect(await fileNames()).toEqual(['ca-1.pem'])
  expect((await stat(join(directory, 'ca-1.pem'))).mode & 0o777).toBe(0o600)
})

test('the private key of the root is not stored', async () => {
  const { directory, ensure } = await createDirectory()
  await ensure('api.example.com', '10.0.0.1')
  const text = await readFile(join(directory, 'ca-1.pem'), 'utf8')
  expect(text.match(/BEGIN CERTIFICATE/g)).toHaveLength(3)
  expect(text.match(/BEGIN PRIVATE KEY/g)).toHaveLength(2)
  const { all } = await ensure('api.example.com', '10.0.0.1')
  const keys = all.flatMap(({ authorities }) => authorities.map(({ signer }) => signer.key))
  expect(keys.map((key) => all[0]?.root.checkPrivateKey(key))).toEqual([false, false])
})

test('a restart uses the same CA', async () => {
  const { ensure, fileNames } = await createDirectory()
  const first = await ensure('api.example.com')
  const second = await ensure('api.example.com')
  expect(second.createdFor).toEqual([])
  expect(second.all.map(({ root }) => root.fingerprint256)).toEqual(
    first.all.map(({ root }) => root.fingerprint256),
  )
  expect(await fileNames()).toEqual(['ca-1.pem'])
})

test.for([
  { what: 'a subdomain of a host', host: 'v2.api.example.com' },
  { what: 'fewer hosts', host: '10.0.0.1' },
])('$what needs no new CA', async ({ host }) => {
  const { ensure } = await createDirectory()
  await ensure('api.example.com', '10.0.0.1')
  expect((await ensure(host)).createdFor).toEqual([])
})

test('a new host gets a new CA for all hosts, and the earlier one stays the first', async () => {
  const { ensure, fileNames } = await createDirectory()
  await ensure('api.example.com')
  const { all, createdFor } = await ensure('api.example.com', 'new.example.com')
  expect(createdFor).toEqual(['new.example.com'])
  expect(await fileNames()).toEqual(['ca-1.pem', 'ca-2.pem'])
  const permits = all.map(({ authorities }) =>
    ['api.example.com', 'new.example.com'].filter((host) =>
      authorities.some((authority) => authority.permits(host)),
    ),
  )
  expect(permits).toEqual([['api.example.com'], ['api.example.com', 'new.example.com']])
})

test('a CA is renewed eight months before it expires, and stays', async () => {
  const { clock, ensure } = await createDirectory()
  const { all } = await ensure('api.example.com')
  const expiresAtMs = all[0]?.root.validToDate.getTime() ?? 0
  clock.stepWall(expiresAtMs - 244 * DAY_MS - clock.wallMs())
  expect((await ensure('api.example.com')).createdFor).toEqual([])
  clock.stepWall(DAY_MS)
  const renewed = await ensure('api.example.com')
  expect(renewed.createdFor).toEqual(['api.example.com'])
  expect(renewed.all).toHaveLength(2)
})

test('a CA that is not yet valid is not used', async () => {
  const { clock, ensure } = await createDirectory()
  await ensure('api.example.com')
  clock.stepWall(-DAY_MS)
  expect((await ensure('api.example.com')).createdFor).toEqual(['api.example.com'])
})

test('processes that start at the same time with the same hosts use one CA', async () => {
  const { ensure, fileNames } = await createDirectory()
  const results = await Promise.all(
    Array.from({ length: 8 }, async () => await ensure('a.example')),
  )
  expect(await fileNames()).toEqual(['ca-1.pem'])
  expect(results.filter(({ createdFor }) => createdFor.length > 0)).toHaveLength(1)
  const roots = results.flatMap(({ all }) => all.map(({ root }) => root.fingerprint256))
  expect(new Set(roots).size).toBe(1)
})

test('processes that start at the same time with different hosts keep the CA of each other', async () => {
  const { ensure, fileNames } = await createDirectory()
  await Promise.all(['a.example', 'b.example', 'c.example'].map(async (host) => await ensure(host)))
  expect(await fileNames()).toEqual(['ca-1.pem', 'ca-2.pem', 'ca-3.pem'])
  expect((await ensure('a.example', 'b.example', 'c.example')).createdFor).toEqual([])
})

test('no temporary file stays', async () => {
  const { directory, ensure } = await createDirectory()
  await Promise.all(Array.from({ length: 4 }, async () => await ensure('a.example')))
  expect(await readdir(directory)).toEqual(['ca-1.pem'])
})

test('permissions of other users are taken away from the file', async () => {
  const { directory, ensure } = await createDirectory()
  await ensure('api.example.com')
  const file = join(directory, 'ca-1.pem')
  await chmod(file, 0o644)
  const { all } = await ensure('api.example.com')
  expect((await stat(file)).mode & 0o777).toBe(0o600)
  expect(all.map(({ isExposed }) => isExposed)).toEqual([false])
})

// Only root can give a file to another user.
test.runIf(process.getuid?.() === 0)(
  'a file of another user is reported, because that user may know the private keys',
  async () => {
    const { directory, ensure } = await createDirectory()
    await ensure('api.example.com')
    const file = join(directory, 'ca-1.pem')
    const read = async () =>
      await readAuthorityState(
        {
          ca: { kind: 'generated', directory },
          hosts: ['api.example.com'],
          readFile: async (path) => await readFile(path, 'utf8'),
        },
        Date.now,
      )
    expect((await read()).warnings).toEqual([])
    await chown(file, 65_534, 65_534)
    expect((await read()).warnings).toEqual([
      expect.stringContaining(`"${file}" belongs to another user`),
    ])
  },
)

describe('a damaged or foreign file is an error, and stays as it is:', () => {
  const DAMAGES: Readonly<Record<string, (text: string) => string | Promise<string>>> = {
    'an empty file': () => '',
    'the first half of the file': (text) => text.slice(0, text.length / 2),
    'a file without the private key': (text) => text.replace(/-----BEGIN PRIVATE[^]*/, ''),
    'a changed certificate': (text) => text.replace(/(CERTIFICATE-----\n.{40})./, '$1*'),
    'the private key of another CA': async (text) => {
      const { intermediates } = await generateAuthority(['api.example.com'], Date.now())
      return text.replace(/-----BEGIN PRIVATE[^]*/, intermediates[0]?.key ?? '')
    },
    'the root of another CA': async (text) => {
      const { root } = await generateAuthority(['api.example.com'], Date.now())
      return text.replace(/-----BEGIN CERT[^]*?END CERTIFICATE-----\n/, root)
    },
  }

  test.for(Object.entries(DAMAGES))('%s', async ([, damage]) => {
    const { directory, ensure, fileNames } = await createDirectory()
    await ensure('api.example.com')
    const file = join(directory, 'ca-1.pem')
    const damaged = await damage(await readFile(file, 'utf8'))
    await writeFile(file, damaged)
    await expect(ensure('api.example.com', 'new.example.com')).rejects.toThrow(
      `Cannot use the certificate authority "${file}": `,
    )
    expect(await readFile(file, 'utf8')).toBe(damaged)
    expect(await fileNames()).toEqual(['ca-1.pem'])
  })
})

test('a file without name constraints is not used', async () => {
  const { directory, ensure } = await createDirectory()
  const { certificate, key } = await createAuthority()
  await mkdir(directory)
  await writeFile(join(directory, 'ca-1.pem'), certificate + certificate + key)
  await expect(ensure('api.example.com')).rejects.toThrow('has no name constraints')
})

test('other files in the directory are ignored', async () => {
  const { directory, ensure, fileNames } = await createDirectory()
  await mkdir(join(directory, 'lost+found'), { recursive: true })
  await writeFile(join(directory, 'ca-x.pem'), 'not ours')
  await ensure('api.example.com')
  expect(await fileNames()).toEqual(['ca-1.pem', 'ca-x.pem', 'lost+found'])
})

test('a directory that cannot be created is an error with the reason', async () => {
  const { directory } = await createDirectory()
  await writeFile(directory, 'a file')
  await expect(ensureAuthorities(directory, ['a.example'], Date.now)).rejects.toThrow(
    `Cannot read the directory "${directory}": not a directory`,
  )
})
