import { X509Certificate } from 'node:crypto'
import { readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { ensureAuthorities } from '../../../src/certificates/authority-directory.ts'
import {
  type CertificateAuthorityOptions,
  openCertificateAuthority,
} from '../../../src/certificates/certificate-authority.ts'
import { parseCertificates } from '../../../src/certificates/signing-authority.ts'
import { createFakeClock } from '../../helpers/fake-clock.ts'
import { temporaryDirectory } from '../../helpers/sidecar.ts'
import { createCa, pemOf } from '../../helpers/supplied-ca.ts'
import { until } from '../../helpers/wait.ts'

const INTERVAL_MS = 30_000

/** Authorities in a temporary directory, with a clock that starts at the time of the system. */
async function createOpener() {
  const directory = await temporaryDirectory()
  const clock = createFakeClock()
  clock.stepWall(Date.now() - clock.wallMs())
  const lines: string[] = []
  const log = (fields: object, message: string) =>
    void lines.push(`${message} ${JSON.stringify(fields)}`)
  return {
    directory,
    clock,
    lines,
    pem: join(directory, 'bundle.pem'),
    async open(ca: CertificateAuthorityOptions['ca'], hosts: readonly string[] = ['a.example']) {
      const authority = await openCertificateAuthority({
        ca,
        hosts,
        readFile: async (path) => await readFile(join(directory, path), 'utf8'),
        bundle: {
          pem: join(directory, 'bundle.pem'),
          pkcs12: undefined,
          password: 'changeit',
          wgetrc: undefined,
          env: {},
        },
        clock,
        logger: { info: log, warn: log },
      })
      onTestFinished(authority.close)
      return authority
    },
  }
}

async function rootsIn(path: string): Promise<string[]> {
  return parseCertificates(await readFile(path, 'utf8')).map(String)
}

const SUPPLIED = {
  kind: 'supplied',
  files: { cert: { file: 'ca.pem' }, key: { file: 'ca.key' } },
} as const

async function writeSupplied(directory: string) {
  const { certificate, keys } = await createCa({ name: 'corporate' })
  await writeFile(join(directory, 'ca.pem'), certificate)
  await writeFile(join(directory, 'ca.key'), pemOf(keys))
  return certificate
}

test('a rotated supplied CA signs new certificates, and the trust bundle has it', async () => {
  const { directory, clock, open, pem } = await createOpener()
  const first = await writeSupplied(directory)
  const authority = await open(SUPPLIED)
  expect(await rootsIn(pem)).toContain(first)
  const second = await writeSupplied(directory)
  await clock.advance(INTERVAL_MS)
  await until(() => authority.roots().map(String).includes(second))
  expect(await rootsIn(pem)).toContain(second)
  expect(await rootsIn(pem)).not.toContain(first)
  const leaf = new X509Certificate((await authority.issue('a.example')).cert)
  expect(leaf.verify(new X509Certificate(second).publicKey)).toBe(true)
})

test('a supplied CA that becomes unusable is reported once, and the last one stays in use', async () => {
  const { directory, clock, open, lines } = await createOpener()
  const first = await writeSupplied(directory)
  const authority = await open(SUPPLIED)
  await rm(join(directory, 'ca.key'))
  await clock.advance(INTERVAL_MS)
  await until(() => lines.some((line) => line.includes('not reloaded')))
  await clock.advance(INTERVAL_MS)
  const second = await writeSupplied(directory)
  await until(async () => {
    await clock.advance(INTERVAL_MS)
    return authority.roots().map(String).includes(second)
  })
  expect(lines.filter((line) => line.includes('not reloaded'))).toEqual([
    'certificate authority not reloaded {"reason":"Cannot use the certificate authority \\"ca.pem\\": no such file or directory"}',
  ])
  expect(first).not.toBe(second)
})

test('certificates of hosts stay the same when the files are read again', async () => {
  const { directory, clock, open, pem } = await createOpener()
  const authority = await open({ kind: 'generated', directory })
  const certificate = await authority.issue('a.example')
  // The bundle is written again at the end of the next reading.
  await rm(pem)
  await clock.advance(INTERVAL_MS)
  await until(async () => (await rootsIn(pem).catch(() => [])).length > 0)
  expect(await authority.issue('a.example')).toBe(certificate)
})

test('an authority that another process adds is in the trust bundle', async () => {
  const { directory, clock, open, pem } = await createOpener()
  const authority = await open({ kind: 'generated', directory })
  const { all } = await ensureAuthorities(directory, ['b.example'], Date.now)
  const added = all.at(-1)?.root.toString()
  expect(await rootsIn(pem)).not.toContain(added)
  await clock.advance(INTERVAL_MS)
  await until(() => authority.roots().length === 2)
  expect(await rootsIn(pem)).toContain(added)
  expect(authority.permits('b.example')).toBe(true)
})

test('a generated CA is renewed while the sidecar runs, and the earlier one stays in use', async () => {
  const { directory, clock, open, pem } = await createOpener()
  const authority = await open({ kind: 'generated', directory })
  const [first] = authority.roots()
  if (first === undefined) throw new Error('expected a root')
  clock.stepWall(500 * 86_400_000)
  await clock.advance(INTERVAL_MS)
  await until(() => authority.roots().length === 2)
  expect(await rootsIn(pem)).toEqual(expect.arrayContaining(authority.roots().map(String)))
  const [, intermediate] = parseCertificates((await authority.issue('a.example')).cert)
  expect(intermediate?.verify(first.publicKey)).toBe(true)
})

test('a bundle without a trusted root is reported for a supplied intermediate alone', async () => {
  const { directory, open, lines } = await createOpener()
  const root = await createCa({ name: 'root' })
  const own = await createCa({ name: 'own', issuer: root })
  await writeFile(join(directory, 'ca.pem'), own.certificate)
  await writeFile(join(directory, 'ca.key'), pemOf(own.keys))
  const authority = await open(SUPPLIED)
  expect(authority.roots()).toEqual([])
  expect(lines.join('\n')).toContain('does not contain the root of the supplied CA')
})

test('closing stops the reading of files', async () => {
  const { directory, clock, open, pem } = await createOpener()
  const authority = await open({ kind: 'generated', directory })
  authority.close()
  await rm(pem)
  await clock.advance(10 * INTERVAL_MS)
  await expect(readFile(pem)).rejects.toThrow('ENOENT')
})

test('no log line contains a private key', async () => {
  const { directory, open, lines } = await createOpener()
  await open({ kind: 'generated', directory })
  const text = await readFile(join(directory, 'ca-1.pem'), 'utf8')
  const [, key = 'missing'] = /BEGIN PRIVATE KEY-----\n(.+)\n/.exec(text) ?? []
  expect(lines.length).toBeGreaterThan(0)
  expect(lines.join('\n')).not.toContain(key)
})
