import { X509Certificate } from 'node:crypto'
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { namesOnly } from '../../../src/certificates/name-constraints.ts'
import { runCommand, writeConfig } from '../../helpers/cli.ts'
import { createCa, createP256, pemOf } from '../../helpers/supplied-ca.ts'

type Given = { readonly hosts?: readonly string[]; readonly intercept?: string }

function configFor({
  hosts = ['api.example.com'],
  intercept = '{ ca: { directory: ca } }',
}: Given) {
  const routes = hosts.map(
    (host, index) =>
      `  - { name: r${index}, match: { host: '${host}' }, upstream: 'https://a.example', credential: corp }\n`,
  )
  // The secret is missing: `ca` does not need it.
  return `credentials:
  corp:
    tokenEndpoint: https://login.example.com/token
    clientId: a
    auth: { clientSecret: { env: CORP_SECRET } }
intercept: ${intercept}
routes:
${routes.join('')}`
}

async function writeCaConfig(given: Given = {}) {
  const file = await writeConfig(configFor(given))
  const directory = join(dirname(file), 'ca')
  return {
    file,
    directory,
    change: async (next: Given) => await writeFile(file, configFor(next)),
    run: async (...options: string[]) => await runCommand(['ca', '-c', file, ...options]),
    check: async () => await runCommand(['check', '-c', file], { CORP_SECRET: 's3cret' }),
  }
}

const INTERCEPT =
  '{ ca: { cert: { file: ca.pem }, key: { file: ca.key } }, bundle: { pem: bundle.pem } }'

/** The same with a supplied CA in the files ca.pem and ca.key. */
async function writeSupplied(certificate: string, key: string) {
  const config = await writeCaConfig({ intercept: INTERCEPT })
  await writeFile(join(dirname(config.file), 'ca.pem'), certificate)
  await writeFile(join(dirname(config.file), 'ca.key'), key)
  return config
}

test('ca creates the CA and the trust bundles, and shows what it may sign', async () => {
  const { directory, run } = await writeCaConfig({
    hosts: ['api.example.com', '*.partner.example:8443', '192.0.2.7', '[2001:db8::7]:443'],
  })
  const { code, out, err } = await run()
  expect({ code, err }).toEqual({ code: 0, err: '' })
  expect(out).toContain('created for 192.0.2.7, 2001:db8::7, api.example.com, partner.example\n')
  expect(out).toContain(`\n${directory}/ca-1.pem\n`)
  expect(out).toMatch(
    /may sign +api\.example\.com and its subdomains, partner\.example and its subdomains, 192\.0\.2\.7, 2001:db8::7\n/,
  )
  expect(out).toMatch(/expires +\d{4}-\d\d-\d\d\n/)
  expect(out).toContain(`${directory}/truststore.p12 (password "changeit")\n`)
  expect((await readdir(directory)).toSorted()).toEqual([
    'ca-1.pem',
    'ca-bundle.pem',
    'truststore.p12',
    'wgetrc',
  ])
})

test('ca shows how each runtime is configured to trust the CA', async () => {
  const { directory, run } = await writeCaConfig()
  const { out } = await run()
  expect(out).toMatch(
    new RegExp(`Python requests +REQUESTS_CA_BUNDLE=${directory}/ca-bundle.pem\n`),
  )
  expect(out).toMatch(new RegExp(`wget +WGETRC=${directory}/wgetrc\n`))
  expect(out).toContain(
    `JAVA_TOOL_OPTIONS="-Djavax.net.ssl.trustStore=${directory}/truststore.p12 -Djavax.net.ssl.trustStorePassword=changeit"`,
  )
})

test('a second ca creates nothing', async () => {
  const { directory, run } = await writeCaConfig()
  await run()
  const before = await readFile(join(directory, 'ca-bundle.pem'), 'utf8')
  const { out } = await run()
  expect(out).not.toContain('created')
  expect(await readFile(join(directory, 'ca-bundle.pem'), 'utf8')).toBe(before)
})

test('ca shows the hosts of an earlier CA that no route names any more', async () => {
  const { change, run } = await writeCaConfig()
  await run()
  await change({ hosts: ['new.example.com'] })
  const { out } = await run()
  expect(out).toContain('created for new.example.com\n')
  expect(out).toMatch(/not used +api\.example\.com \(no route names it\)\n/)
  expect(out).toContain('warning: applications that are running do not trust the new')
})

test('ca --json prints the same as one JSON object', async () => {
  const { directory, run } = await writeCaConfig()
  const report: unknown = JSON.parse((await run('--json')).out)
  expect(report).toMatchObject({
    kind: 'generated',
    createdFor: ['api.example.com'],
    authorities: [
      {
        file: `${directory}/ca-1.pem`,
        names: ['api.example.com'],
        addresses: [],
        unusedHosts: [],
        subject: expect.stringMatching(/^O=token-sidecar, CN=token-sidecar root /),
        sha256: expect.stringMatching(/^(?:[\dA-F]{2}:){31}[\dA-F]{2}$/),
        expiresAt: expect.stringMatching(/^\d{4}-/),
      },
    ],
    notPermitted: [],
    bundle: { pem: `${directory}/ca-bundle.pem`, password: 'changeit' },
    warnings: [],
    runtimes: expect.arrayContaining([
      { runtime: 'git', setting: `GIT_SSL_CAINFO=${directory}/ca-bundle.pem` },
    ]),
  })
})

test('docs/command-line.md names every key of ca --json', async () => {
  const { run } = await writeCaConfig()
  const docs = await readFile('docs/command-line.md', 'utf8')
  const report: Record<string, unknown> = JSON.parse((await run('--json')).out)
  const { authorities, bundle } = report
  const keys = [report, bundle, Array.isArray(authorities) ? authorities[0] : {}].flatMap((part) =>
    Object.keys(part ?? {}),
  )
  expect(keys.length).toBeGreaterThan(15)
  expect(keys.filter((key) => !docs.includes(`\`${key}\``))).toEqual([])
})

test('ca --root prints the root in PEM form, and nothing else', async () => {
  const { directory, run } = await writeCaConfig()
  const { out } = await run('--root')
  expect(out).toBe(new X509Certificate(out).toString())
  expect(await readFile(join(directory, 'ca-1.pem'), 'utf8')).toContain(out)
})

test.for([[], ['--json'], ['--root']])('ca %j prints no private key', async (options) => {
  const { directory, run } = await writeCaConfig()
  const { out, err } = await run(...options)
  const text = await readFile(join(directory, 'ca-1.pem'), 'utf8')
  const [, key = 'missing'] = /BEGIN PRIVATE KEY-----\n(.+)\n/.exec(text) ?? []
  expect(key.length).toBeGreaterThan(40)
  expect(out + err).not.toContain(key)
  expect(out + err).not.toContain('PRIVATE')
})

test('ca says what to add to a configuration without interception', async () => {
  const file = await writeConfig(
    "routes: [{ name: a, match: { host: a.example }, upstream: 'https://a.example', credential: none }]",
  )
  expect(await runCommand(['ca', '-c', file])).toEqual({
    code: 1,
    out: '',
    err: `Cannot create a certificate authority: "${file}" has no "intercept"; add "intercept: { ca: { directory: ca } }"\n`,
  })
})

test('ca and check report a damaged file, with what to do', async () => {
  const { file, directory, run, check } = await writeCaConfig()
  await run()
  await writeFile(join(directory, 'ca-1.pem'), 'damaged')
  const message = `Cannot use the certificate authority "${directory}/ca-1.pem": expected a root and an intermediate certificate; restore the file, or move it away to have another one created\n`
  expect(await run()).toEqual({ code: 1, out: '', err: message })
  expect(await check()).toMatchObject({ code: 3, err: expect.stringContaining(`${file}:6:`) })
  expect((await check()).err).toContain(`intercept.ca: ${message}`)
})

test('ca shows a supplied CA, with a warning if it has no name constraints', async () => {
  const root = await createCa({ name: 'root' })
  const { file, run } = await writeSupplied(root.certificate, pemOf(root.keys))
  const { code, out } = await run()
  expect(code).toBe(0)
  expect(out).toMatch(/may sign +every name, every IP address\n/)
  expect(out).toContain('warning: the CA certificate has no name constraints: ')
  expect(out).toContain(`${dirname(file)}/bundle.pem\n`)
  expect(out).toContain('PKCS#12     none: set "intercept.bundle.pkcs12"\n')
})

test('check creates no CA, and reports nothing if there is none', async () => {
  const { directory, check } = await writeCaConfig()
  expect(await check()).toMatchObject({ code: 0, err: '' })
  await expect(readdir(directory)).rejects.toThrow('ENOENT')
})

test('check warns about a host for which another CA has to be created', async () => {
  const { file, directory, change, run, check } = await writeCaConfig()
  await run()
  await change({ hosts: ['api.example.com', 'new.example.com'] })
  const { code, err } = await check()
  expect(code).toBe(0)
  expect(err).toMatch(/^\S+:9:\d+ routes\[1\]\.match\.host: no certificate authority for this host/)
  expect(err).toContain(file)
  expect(await readdir(directory)).not.toContain('ca-2.pem')
})

describe('check of a supplied CA', () => {
  test('warns about one without name constraints', async () => {
    const root = await createCa({ name: 'root' })
    const { check } = await writeSupplied(root.certificate, pemOf(root.keys))
    const { code, err } = await check()
    expect(code).toBe(0)
    expect(err).toContain(' intercept.ca: the CA certificate has no name constraints: ')
  })

  test('warns about a host that it may not sign', async () => {
    const root = await createCa({ name: 'root' })
    const own = await createCa({ name: 'own', issuer: root, constraints: namesOnly(['a.example']) })
    const { check } = await writeSupplied(own.certificate + root.certificate, pemOf(own.keys))
    const { code, err } = await check()
    expect(code).toBe(0)
    expect(err).toContain(
      'routes[0].match.host: the certificate authority may not sign this host, so that it cannot be intercepted',
    )
  })

  test.for([
    {
      what: 'an expired certificate',
      create: async () => await createCa({ name: 'ca', expiresInMs: -1000 }),
      message: 'the certificate has expired',
    },
    {
      what: 'a certificate that is not that of a CA',
      create: async () => await createCa({ name: 'ca', usage: 1 }),
      message: 'the certificate is not that of a CA',
    },
  ])('rejects $what', async ({ create, message }) => {
    const { certificate, keys } = await create()
    const { check, run } = await writeSupplied(certificate, pemOf(keys))
    expect(await check()).toMatchObject({ code: 3, err: expect.stringContaining(message) })
    expect(await run()).toMatchObject({ code: 1, err: expect.stringContaining(message) })
  })

  test('rejects the key of another certificate', async () => {
    const { certificate } = await createCa({ name: 'ca' })
    const { check } = await writeSupplied(certificate, pemOf(createP256()))
    expect(await check()).toMatchObject({
      code: 3,
      err: expect.stringContaining(
        'intercept.ca: expected a certificate and the private key that belongs to it',
      ),
    })
  })
})
