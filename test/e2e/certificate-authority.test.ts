import { execFile } from 'node:child_process'
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { ensureAuthorities } from '../../src/certificates/authority-directory.ts'
import { createCertificateIssuer } from '../../src/certificates/certificate-issuer.ts'
import { parseCertificates } from '../../src/certificates/signing-authority.ts'
import { createTrustBundle } from '../../src/certificates/trust-bundle.ts'
import { systemClock } from '../../src/lib/clock.ts'
import { startProgramAt, temporaryDirectory } from '../helpers/sidecar.ts'
import { findPrograms, MAY_SKIP } from '../helpers/tools.ts'
import { until } from '../helpers/wait.ts'

const run = promisify(execFile)

function isMissing(program: string): boolean {
  return findPrograms(program).length === 0 && MAY_SKIP
}

/** Trust bundles and the certificates of two hosts in a directory. */
async function createFiles() {
  const directory = await temporaryDirectory()
  const hosts = ['api.example.com', '192.0.2.7']
  const { all } = await ensureAuthorities(directory, hosts, Date.now)
  const authorities = all.flatMap((each) => each.authorities)
  const issuer = createCertificateIssuer({ authorities: () => authorities, clock: systemClock })
  const pem = join(directory, 'ca-bundle.pem')
  const pkcs12 = join(directory, 'truststore.p12')
  const bundle = createTrustBundle({
    pem,
    pkcs12,
    password: 'changeit',
    wgetrc: undefined,
    env: {},
    onUnreadable() {},
  })
  await bundle.update(all.map(({ root }) => root))
  for (const host of hosts) {
    await writeFile(join(directory, `${host}.pem`), (await issuer.issue(host)).cert)
  }
  return {
    directory,
    hosts,
    pem,
    pkcs12,
    count: parseCertificates(await readFile(pem, 'utf8')).length,
  }
}

test.skipIf(isMissing('openssl'))(
  'OpenSSL verifies the certificates of hosts strictly, with the PEM bundle',
  async () => {
    const { directory, hosts, pem } = await createFiles()
    for (const host of hosts) {
      const file = join(directory, `${host}.pem`)
      const options = ['-x509_strict', '-purpose', 'sslserver', '-CAfile', pem, '-untrusted', file]
      const { stdout } = await run('openssl', ['verify', ...options, file])
      expect(stdout).toBe(`${file}: OK\n`)
    }
  },
)

test.skipIf(isMissing('openssl'))(
  'OpenSSL reads the truststore with its password, and not with another one',
  async () => {
    const { pkcs12, count } = await createFiles()
    const read = async (password: string) =>
      await run('openssl', ['pkcs12', '-in', pkcs12, '-nokeys', '-passin', `pass:${password}`])
    expect((await read('changeit')).stdout.match(/BEGIN CERTIFICATE/g)).toHaveLength(count)
    await expect(read('wrong')).rejects.toThrow('invalid password')
  },
)

test.skipIf(isMissing('keytool'))(
  'Java finds every certificate of the truststore as trusted, also without the password',
  async () => {
    const { pkcs12, count } = await createFiles()
    const list = async (...options: string[]) => {
      const { stdout } = await run('keytool', ['-list', '-keystore', pkcs12, ...options])
      return stdout
    }
    const withPassword = await list('-storepass', 'changeit')
    expect(withPassword.match(/trustedCertEntry/g)).toHaveLength(count)
    expect(withPassword).toMatch(/^token-sidecar-[\da-f]{16}, /m)
    await expect(list('-storepass', 'wrong')).rejects.toMatchObject({
      stdout: expect.stringContaining('Failed PKCS12 integrity checking'),
    })
    const withoutPassword = await run('sh', [
      '-c',
      'echo | keytool -list -keystore "$1"',
      '-',
      pkcs12,
    ])
    expect(withoutPassword.stdout.match(/trustedCertEntry/g)).toHaveLength(count)
  },
)

function configFor(directory: string, ...hosts: string[]): string {
  const routes = hosts.map(
    (host, index) =>
      `  - { name: r${index}, match: { host: ${host} }, upstream: 'https://127.0.0.1:9', credential: none }\n`,
  )
  return `listen: 127.0.0.1:0
admin: 127.0.0.1:0
intercept: { ca: { directory: '${directory}' } }
routes:
${routes.join('')}`
}

async function writeConfig(directory: string, ...hosts: string[]): Promise<string> {
  const file = join(await temporaryDirectory(), 'token-sidecar.yaml')
  await writeFile(file, configFor(directory, ...hosts))
  return file
}

test('sidecars that start together and share a directory use one CA for the same hosts', async () => {
  const directory = join(await temporaryDirectory(), 'ca')
  const file = await writeConfig(directory, 'api.example.com')
  await Promise.all(Array.from({ length: 4 }, async () => await startProgramAt(file)))
  expect((await readdir(directory)).toSorted()).toEqual([
    'ca-1.pem',
    'ca-bundle.pem',
    'truststore.p12',
    'wgetrc',
  ])
})

test('sidecars that start together with different hosts write a bundle with the CAs of all', async () => {
  const directory = join(await temporaryDirectory(), 'ca')
  const files = await Promise.all(
    ['a.example', 'b.example', 'c.example'].map(async (host) => await writeConfig(directory, host)),
  )
  await Promise.all(files.map(async (file) => await startProgramAt(file)))
  const names = await readdir(directory)
  expect(names.filter((name) => /^ca-\d\.pem$/.test(name))).toHaveLength(3)
  const bundle = await readFile(join(directory, 'ca-bundle.pem'), 'utf8')
  expect(bundle.match(/^# token-sidecar$/gm)).toHaveLength(3)
})

test.skipIf(isMissing('openssl'))(
  'trust bundles are written to the configured paths, with the configured password',
  async () => {
    const directory = await temporaryDirectory()
    const [pem, pkcs12] = [join(directory, 'own.pem'), join(directory, 'own.p12')]
    const file = await writeConfig(join(directory, 'ca'), 'api.example.com')
    const bundle = `, bundle: { pem: '${pem}', pkcs12: '${pkcs12}', password: another }`
    const text = await readFile(file, 'utf8')
    await writeFile(file, text.replace("/ca' }", `/ca' }${bundle}`))
    await startProgramAt(file)
    expect(await readFile(pem, 'utf8')).toMatch(/^# token-sidecar$/m)
    const options = ['pkcs12', '-in', pkcs12, '-nokeys', '-passin']
    expect((await run('openssl', [...options, 'pass:another'])).stdout).toContain('CERTIFICATE')
    await expect(run('openssl', [...options, 'pass:changeit'])).rejects.toThrow('invalid password')
    expect(await readdir(join(directory, 'ca'))).not.toContain('ca-bundle.pem')
  },
)

test('a reload with a new host adds a CA and logs what it means; the log contains no private key', async () => {
  const directory = join(await temporaryDirectory(), 'ca')
  const file = await writeConfig(directory, 'api.example.com')
  const program = await startProgramAt(file)
  await writeFile(file, configFor(directory, 'api.example.com', 'new.example.com'))
  program.process.kill('SIGHUP')
  await until(() => program.output().includes('configuration reloaded'))
  expect(program.output()).toContain(
    '"hosts":["new.example.com"],"message":"certificate authority created"',
  )
  expect(program.output()).toContain('applications that are running do not trust the new')
  const pages = await Promise.all(
    ['/', '/status', '/metrics', '/readyz'].map(
      async (path) => await (await fetch(program.adminUrl + path)).text(),
    ),
  )
  await program.stop()
  const output = program.output() + pages.join('\n')
  for (const name of ['ca-1.pem', 'ca-2.pem']) {
    const text = await readFile(join(directory, name), 'utf8')
    const [, key = 'missing'] = /BEGIN PRIVATE KEY-----\n(.+)\n/.exec(text) ?? []
    expect(key.length).toBeGreaterThan(40)
    expect(output).not.toContain(key)
  }
})

test('a sidecar whose CA is damaged does not start, and says which file', async () => {
  const directory = await temporaryDirectory()
  await writeFile(join(directory, 'ca-1.pem'), 'damaged')
  const file = await writeConfig(directory, 'api.example.com')
  await expect(startProgramAt(file)).rejects.toThrow(
    `Cannot use the certificate authority "${directory}/ca-1.pem": `,
  )
})
