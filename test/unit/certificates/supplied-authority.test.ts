import { generateKeyPairSync, X509Certificate } from 'node:crypto'
import { KeyUsageFlags } from '@peculiar/asn1-x509'
import { describe, expect, test } from 'vitest'
import { createCertificateIssuer } from '../../../src/certificates/certificate-issuer.ts'
import { namesOnly } from '../../../src/certificates/name-constraints.ts'
import { parseCertificates } from '../../../src/certificates/signing-authority.ts'
import { readSuppliedAuthority } from '../../../src/certificates/supplied-authority.ts'
import { createSelfSigned } from '../../helpers/certificates.ts'
import { createFakeClock } from '../../helpers/fake-clock.ts'
import { createCa, createP256, type Keys, pemOf } from '../../helpers/supplied-ca.ts'

const DAY_MS = 86_400_000

/** A self-signed CA, made with "openssl req -x509 -newkey ed25519". */
const ED25519 = {
  certificate: `-----BEGIN CERTIFICATE-----
MIIBMDCB46ADAgECAhRxM218JCmmbQ55K8i+zfKuGgxZ/zAFBgMrZXAwDTELMAkG
A1UEAwwCZWQwIBcNMjYxMTI4MDk1NTQzWhgPMjEyNjExMDQwOTU1NDNaMA0xCzAJ
BgNVBAMMAmVkMCowBQYDK2VwAyEALJPs3k5hSWam9os4KOXXXhwYjr6z35YWMF9s
22fBAxqjUzBRMB0GA1UdDgQWBBQZbwWGOVetQXQaC60LVn6FbnhUJjAfBgNVHSME
GDAWgBQZbwWGOVetQXQaC60LVn6FbnhUJjAPBgNVHRMBAf8EBTADAQH/MAUGAytl
cANBAC3yy4eCBiVQEOxWPP7OV3xYhgUp3QdF2m/0tLRDt442Txc4Z77n5LDDJ3CO
ViKnVxajCX7P+RIgMt+2dSC2MwY=
-----END CERTIFICATE-----
`,
  key: `-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEIJIjIacY0iidjUFUQuAiOFEGqx0+ZLiQuI4+SfRkwZC7
-----END PRIVATE KEY-----
`,
}

async function read(cert: string, key: string) {
  const files = { cert: { file: 'cert' }, key: { file: 'key' } }
  return await readSuppliedAuthority(
    files,
    async (path) => await Promise.resolve(path === 'cert' ? cert : key),
    Date.now(),
  )
}

const KEYS: Readonly<Record<string, () => Keys>> = {
  'P-256': createP256,
  'P-384': () => generateKeyPairSync('ec', { namedCurve: 'P-384' }),
  'P-521': () => generateKeyPairSync('ec', { namedCurve: 'P-521' }),
  'RSA with 2048 bits': () => generateKeyPairSync('rsa', { modulusLength: 2048 }),
}

test.for(Object.entries(KEYS))('a CA with a %s key signs certificates', async ([, createKeys]) => {
  const root = await createCa({ name: 'root', keys: createKeys() })
  const { authority } = await read(root.certificate, pemOf(root.keys))
  const issuer = createCertificateIssuer({
    authorities: () => [authority],
    clock: { ...createFakeClock(), wallMs: Date.now },
  })
  const [leaf, ...others] = parseCertificates((await issuer.issue('a.example')).cert)
  expect(leaf?.verify(root.keys.publicKey)).toBe(true)
  expect(others).toEqual([])
})

test('the intermediates are sent after the certificate of the host, and the root is not', async () => {
  const root = await createCa({ name: 'root' })
  const middle = await createCa({ name: 'middle', issuer: root })
  const last = await createCa({ name: 'last', issuer: middle })
  const { authority, roots } = await read(
    last.certificate + middle.certificate + root.certificate,
    pemOf(last.keys),
  )
  expect(authority.chain).toBe(last.certificate + middle.certificate)
  expect(roots.map(String)).toEqual([root.certificate])
})

test('the constraints of every certificate in the chain limit what is permitted', async () => {
  const root = await createCa({ name: 'root', constraints: namesOnly(['example.com']) })
  const own = await createCa({
    name: 'own',
    issuer: root,
    constraints: {
      ...namesOnly(['api.example.com', 'other.example']),
      excludedNames: ['x.api.example.com'],
    },
  })
  const { authority } = await read(own.certificate + root.certificate, pemOf(own.keys))
  const hosts = ['api.example.com', 'x.api.example.com', 'other.example', 'example.com', '10.0.0.1']
  expect(hosts.filter((host) => authority.permits(host))).toEqual(['api.example.com'])
})

describe('the supplied CA is rejected:', () => {
  const CASES: Readonly<Record<string, () => Promise<readonly [string, string, string]>>> = {
    'a certificate that is not that of a CA': async () => {
      const { certificate, key } = await createSelfSigned('leaf')
      return [certificate, key, 'the certificate is not that of a CA']
    },
    'a certificate whose key must not sign certificates': async () => {
      const ca = await createCa({ name: 'ca', usage: KeyUsageFlags.digitalSignature })
      return [ca.certificate, pemOf(ca.keys), 'the certificate is not that of a CA']
    },
    'the key of another certificate': async () => {
      const ca = await createCa({ name: 'ca' })
      return [ca.certificate, pemOf(createP256()), 'the private key does not match the certificate']
    },
    'an expired certificate': async () => {
      const ca = await createCa({ name: 'ca', expiresInMs: -DAY_MS })
      return [ca.certificate, pemOf(ca.keys), 'the certificate has expired']
    },
    'an expired issuer': async () => {
      const root = await createCa({ name: 'root', expiresInMs: -DAY_MS })
      const ca = await createCa({ name: 'ca', issuer: root })
      return [ca.certificate + root.certificate, pemOf(ca.keys), 'the certificate has expired']
    },
    'a chain in the wrong order': async () => {
      const root = await createCa({ name: 'root' })
      const middle = await createCa({ name: 'middle', issuer: root })
      const ca = await createCa({ name: 'ca', issuer: middle })
      return [
        ca.certificate + root.certificate + middle.certificate,
        pemOf(ca.keys),
        'each certificate after the first has to be the issuer of the one before it',
      ]
    },
    'an Ed25519 key': async () => {
      // An authority with such a key cannot be created with the functions under test.
      return await Promise.resolve([
        ED25519.certificate,
        ED25519.key,
        'unsupported key type: ed25519, expected ECDSA with P-256, P-384 or P-521, or RSA',
      ])
    },
    'no certificate in PEM form': async () =>
      await Promise.resolve(['', pemOf(createP256()), 'there is no certificate in PEM form']),
    'no private key in PEM form': async () => {
      const ca = await createCa({ name: 'ca' })
      return [ca.certificate, ca.certificate, 'there is no private key in PEM form']
    },
  }

  test.for(Object.entries(CASES))('%s', async ([, create]) => {
    const [cert, key, message] = await create()
    await expect(read(cert, key)).rejects.toThrow(message)
  })
})

test('a rotation between reading the two files is waited for', async () => {
  const before = await createCa({ name: 'before' })
  const after = await createCa({ name: 'after' })
  let reads = 0
  const { authority } = await readSuppliedAuthority(
    { cert: { file: 'cert' }, key: { file: 'key' } },
    async (path) => {
      reads += 1
      const current = reads === 1 ? before : after
      return await Promise.resolve(path === 'cert' ? current.certificate : pemOf(current.keys))
    },
    Date.now(),
  )
  expect(new X509Certificate(after.certificate).checkPrivateKey(authority.signer.key)).toBe(true)
})

describe('the warning about a supplied CA:', () => {
  test('one without name constraints', async () => {
    const root = await createCa({ name: 'root' })
    const { warnings } = await read(root.certificate, pemOf(root.keys))
    expect(warnings).toEqual([expect.stringContaining('has no name constraints')])
  })

  test('a self-signed one with name constraints, which Java ignores', async () => {
    const root = await createCa({ name: 'root', constraints: namesOnly(['example.com']) })
    const { warnings } = await read(root.certificate, pemOf(root.keys))
    expect(warnings).toEqual([expect.stringContaining('Java ignores the name constraints')])
  })

  test('an intermediate whose name constraints do not limit addresses', async () => {
    const root = await createCa({ name: 'root' })
    const constraints = { ...namesOnly(['example.com']), excludedAddresses: [] }
    const own = await createCa({ name: 'own', issuer: root, constraints })
    const { warnings } = await read(own.certificate + root.certificate, pemOf(own.keys))
    expect(warnings).toEqual([expect.stringContaining('do not limit IP addresses')])
  })

  test('one that expires within two weeks', async () => {
    const root = await createCa({ name: 'root', expiresInMs: 13 * DAY_MS })
    const { warnings } = await read(root.certificate, pemOf(root.keys))
    expect(warnings.at(-1)).toMatch(/^the CA certificate expires on \d{4}-\d\d-\d\d$/)
  })

  test('none for an intermediate whose name constraints limit names and addresses', async () => {
    const root = await createCa({ name: 'root' })
    const own = await createCa({
      name: 'own',
      issuer: root,
      constraints: namesOnly(['example.com']),
    })
    const { warnings } = await read(own.certificate + root.certificate, pemOf(own.keys))
    expect(warnings).toEqual([])
  })
})
