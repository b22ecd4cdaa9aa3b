import { X509Certificate } from 'node:crypto'
import { mkdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { generateAuthority } from '../../../src/certificates/generate-authority.ts'
import { parseCertificates } from '../../../src/certificates/signing-authority.ts'
import { createTrustBundle } from '../../../src/certificates/trust-bundle.ts'
import { createAuthority } from '../../helpers/certificates.ts'
import { temporaryDirectory } from '../../helpers/sidecar.ts'

async function createRoot(): Promise<X509Certificate> {
  return new X509Certificate((await generateAuthority(['a.example'], Date.now())).root)
}

async function createBundle(env: Readonly<Record<string, string>> = {}) {
  const directory = await temporaryDirectory()
  const pem = join(directory, 'ca-bundle.pem')
  const pkcs12 = join(directory, 'truststore.p12')
  const unreadable: string[] = []
  const bundle = createTrustBundle({
    pem,
    pkcs12,
    password: 'changeit',
    wgetrc: join(directory, 'wgetrc'),
    env,
    onUnreadable: (variables) => unreadable.push(...variables),
  })
  return {
    ...bundle,
    directory,
    pem,
    pkcs12,
    unreadable,
    fingerprints: async () =>
      parseCertificates(await readFile(pem, 'utf8')).map(({ fingerprint256 }) => fingerprint256),
  }
}

test('the PEM bundle begins with our root, followed by the CA certificates of the system', async () => {
  const bundle = await createBundle()
  const root = await createRoot()
  expect(await bundle.update([root])).toBe(true)
  const [first, ...others] = await bundle.fingerprints()
  expect(first).toBe(root.fingerprint256)
  expect(others.length).toBeGreaterThan(50)
  expect((await stat(bundle.pem)).mode & 0o777).toBe(0o644)
})

test('the bundle contains what the environment trusts, and each certificate once', async () => {
  const directory = await temporaryDirectory()
  const extra = await createAuthority('corporate')
  const file = join(directory, 'corporate.pem')
  await writeFile(file, `# corporate\n${extra.certificate}\n${extra.certificate}`)
  const bundle = await createBundle({ SSL_CERT_FILE: file, REQUESTS_CA_BUNDLE: file })
  await bundle.update([await createRoot()])
  const found = await bundle.fingerprints()
  expect(found).toContain(new X509Certificate(extra.certificate).fingerprint256)
  expect(new Set(found).size).toBe(found.length)
})

test('the bundle contains the files of the directory that SSL_CERT_DIR names', async () => {
  const directory = await temporaryDirectory()
  const extra = await createAuthority('corporate')
  await writeFile(join(directory, 'deadbeef.0'), extra.certificate)
  const bundle = await createBundle({ SSL_CERT_DIR: directory })
  await bundle.update([await createRoot()])
  expect(await bundle.fingerprints()).toContain(
    new X509Certificate(extra.certificate).fingerprint256,
  )
})

test('a variable that names a missing file is reported, and the bundle is written without it', async () => {
  const bundle = await createBundle({ SSL_CERT_FILE: '/nonexistent/ca.pem' })
  await bundle.update([await createRoot()])
  await bundle.update([await createRoot()])
  expect(bundle.unreadable).toEqual(['SSL_CERT_FILE'])
  expect((await bundle.fingerprints()).length).toBeGreaterThan(50)
})

test('a root of ours that is not used any more leaves a bundle that a variable names', async () => {
  const directory = await temporaryDirectory()
  const pem = join(directory, 'ca-bundle.pem')
  const bundle = createTrustBundle({
    pem,
    pkcs12: undefined,
    password: 'changeit',
    wgetrc: join(directory, 'wgetrc'),
    env: { SSL_CERT_FILE: pem },
    onUnreadable: () => {},
  })
  const [first, second] = [await createRoot(), await createRoot()]
  await bundle.update([first])
  await bundle.update([second])
  const found = parseCertificates(await readFile(pem, 'utf8')).map(String)
  expect(found).toContain(second.toString())
  expect(found).not.toContain(first.toString())
})

test('the files are written again only when something has changed, or a file is missing', async () => {
  const directory = await temporaryDirectory()
  const file = join(directory, 'corporate.pem')
  await writeFile(file, (await createAuthority('corporate')).certificate)
  const bundle = await createBundle({ SSL_CERT_FILE: file })
  const root = await createRoot()
  await bundle.update([root])
  expect(await bundle.update([root])).toBe(false)
  await rm(bundle.pkcs12)
  expect(await bundle.update([root])).toBe(true)
  await writeFile(file, (await createAuthority('another')).certificate)
  expect(await bundle.update([root])).toBe(true)
  expect(await bundle.update([await createRoot()])).toBe(true)
  expect(await bundle.update([root])).toBe(true)
})

test.for(['pem', 'pkcs12'] as const)(
  'a file of another program at the path of %s is an error, and stays as it is',
  async (format) => {
    const bundle = await createBundle()
    await writeFile(bundle[format], 'not ours')
    await expect(bundle.update([await createRoot()])).rejects.toThrow(
      `Cannot write the trust bundle "${bundle[format]}": a file of another program is there`,
    )
    expect(await readFile(bundle[format], 'utf8')).toBe('not ours')
  },
)

test('a path that is not one of a regular file is an error', async () => {
  const bundle = await createBundle()
  await mkdir(bundle.pem)
  await expect(bundle.update([await createRoot()])).rejects.toThrow(
    `Cannot write the trust bundle "${bundle.pem}": it is not a regular file`,
  )
})

test('a bundle of an earlier process is replaced', async () => {
  const bundle = await createBundle()
  await bundle.update([await createRoot()])
  const { pem, pkcs12 } = bundle
  const next = createTrustBundle({
    pem,
    pkcs12,
    password: 'x',
    wgetrc: undefined,
    env: {},
    onUnreadable: () => {},
  })
  const root = await createRoot()
  await next.update([root])
  expect((await bundle.fingerprints())[0]).toBe(root.fingerprint256)
})
