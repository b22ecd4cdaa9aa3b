import { X509Certificate } from 'node:crypto'
import { beforeAll, describe, expect, test } from 'vitest'
import { parseAuthority, formatAuthority } from '../../../src/certificates/authority-file.ts'
import { createCertificateIssuer } from '../../../src/certificates/certificate-issuer.ts'
import { generateAuthority } from '../../../src/certificates/generate-authority.ts'
import type { SigningAuthority } from '../../../src/certificates/signing-authority.ts'
import { parseCertificates } from '../../../src/certificates/signing-authority.ts'
import { createFakeClock } from '../../helpers/fake-clock.ts'

const HOUR_MS = 3_600_000

/** The authorities of a generated CA for these hosts, as they are after a restart. */
async function createAuthorities(hosts: readonly string[], nowMs: number) {
  const { root, authorities } = parseAuthority(
    formatAuthority(await generateAuthority(hosts, nowMs)),
  )
  return { root, authorities }
}

async function createIssuer(hosts: readonly string[]) {
  const clock = createFakeClock()
  const { root, authorities } = await createAuthorities(hosts, clock.wallMs())
  let current: readonly SigningAuthority[] = authorities
  const issuer = createCertificateIssuer({ authorities: () => current, clock })
  return {
    clock,
    root,
    ...issuer,
    use(next: readonly SigningAuthority[]) {
      current = next
    },
  }
}

describe('the certificate of a DNS name', () => {
  let leaf: X509Certificate
  let intermediate: X509Certificate
  let issuer: Awaited<ReturnType<typeof createIssuer>>

  beforeAll(async () => {
    issuer = await createIssuer(['api.example.com'])
    const { cert } = await issuer.issue('api.example.com')
    const [first, second] = parseCertificates(cert)
    if (first === undefined || second === undefined) throw new Error('expected two certificates')
    leaf = first
    intermediate = second
  })

  test('is followed by the intermediate, and the root signed that', () => {
    expect(leaf.verify(intermediate.publicKey)).toBe(true)
    expect(intermediate.verify(issuer.root.publicKey)).toBe(true)
    expect([leaf.ca, intermediate.ca, issuer.root.ca]).toEqual([false, true, true])
  })

  test('contains the name as the only subject alternative name, and not in the subject', () => {
    expect(leaf.subjectAltName).toBe('DNS:api.example.com')
    expect(leaf.subject).toBe('O=token-sidecar')
  })

  test('is valid for server authentication with a P-256 key, from 10 minutes ago for 24 hours', () => {
    const nowMs = issuer.clock.wallMs()
    expect(leaf.validFromDate.getTime()).toBe(nowMs - 600_000)
    expect(leaf.validToDate.getTime()).toBe(nowMs + 24 * HOUR_MS)
    expect(leaf.publicKey.asymmetricKeyDetails).toEqual({ namedCurve: 'prime256v1' })
    expect(leaf.keyUsage).toEqual(['1.3.6.1.5.5.7.3.1'])
  })

  test('has a positive serial number without padding, and another one each time', async () => {
    const { cert } = await (await createIssuer(['a.example'])).issue('a.example')
    const other = new X509Certificate(cert)
    expect(leaf.serialNumber).toMatch(/^[4-7][\dA-F]{31}$/)
    expect(other.serialNumber).not.toBe(leaf.serialNumber)
  })
})

test.for(['10.0.0.1', '2001:db8::1'])(
  'the certificate of the address %s contains it as an IP address, and no name',
  async (address) => {
    const issuer = await createIssuer(['api.example.com', address])
    const leaf = new X509Certificate((await issuer.issue(address)).cert)
    expect(leaf.checkIP(address)).toBe(address)
    expect(leaf.subjectAltName).not.toContain('DNS')
    expect(leaf.subject).toBe('O=token-sidecar')
  },
)

test.for([
  ['api.example.com', true],
  ['v2.api.example.com', true],
  ['example.com', false],
  ['evilapi.example.com', false],
  ['api.example.com.evil.example', false],
  ['token-sidecar.invalid', true],
  ['10.0.0.1', true],
  ['10.0.0.2', false],
  ['2001:db8::1', true],
  ['2001:db8:0:0::1', true],
  ['2001:db8::2', false],
  ['::ffff:10.0.0.2', false],
] as const)('a CA for one name and two addresses permits "%s": %s', async ([host, expected]) => {
  const issuer = await createIssuer(['api.example.com', '10.0.0.1', '2001:db8::1'])
  expect(issuer.permits(host)).toBe(expected)
})

test('a CA for addresses of one version permits no address of the other', async () => {
  const issuer = await createIssuer(['10.0.0.1'])
  expect(issuer.permits('2001:db8::1')).toBe(false)
})

test('a host that the CA does not permit is refused', async () => {
  const issuer = await createIssuer(['api.example.com'])
  await expect(issuer.issue('evil.example')).rejects.toThrow(
    'Cannot issue a certificate for "evil.example": the certificate authority does not permit this name',
  )
})

test('concurrent requests for one host share one certificate, which is the same object', async () => {
  const issuer = await createIssuer(['api.example.com'])
  const [one, other] = await Promise.all([
    issuer.issue('api.example.com'),
    issuer.issue('api.example.com'),
  ])
  expect(one).toBe(other)
})

test('a certificate is renewed at half of its lifetime', async () => {
  const issuer = await createIssuer(['api.example.com'])
  const first = await issuer.issue('api.example.com')
  await issuer.clock.advance(12 * HOUR_MS - 1)
  expect(await issuer.issue('api.example.com')).toBe(first)
  await issuer.clock.advance(1)
  expect(await issuer.issue('api.example.com')).not.toBe(first)
})

test('a certificate is issued again when the CA was replaced', async () => {
  const issuer = await createIssuer(['api.example.com'])
  const first = await issuer.issue('api.example.com')
  const { root, authorities } = await createAuthorities(['api.example.com'], issuer.clock.wallMs())
  issuer.use(authorities)
  const second = await issuer.issue('api.example.com')
  expect(second).not.toBe(first)
  expect(parseCertificates(second.cert)[1]?.verify(root.publicKey)).toBe(true)
})

test('a certificate does not outlive its issuer, and an expired issuer signs nothing', async () => {
  const issuer = await createIssuer(['api.example.com'])
  const expiresAtMs = issuer.root.validToDate.getTime()
  issuer.clock.stepWall(expiresAtMs - HOUR_MS - issuer.clock.wallMs())
  const leaf = new X509Certificate((await issuer.issue('api.example.com')).cert)
  expect(leaf.validToDate.getTime()).toBe(expiresAtMs)
  issuer.clock.stepWall(HOUR_MS)
  expect(issuer.permits('api.example.com')).toBe(false)
})

test('the older of two CAs is used until a certificate would outlive it', async () => {
  const issuer = await createIssuer(['api.example.com'])
  const older = await createAuthorities(['api.example.com'], issuer.clock.wallMs() - HOUR_MS)
  const newer = await createAuthorities(['api.example.com'], issuer.clock.wallMs())
  issuer.use([...older.authorities, ...newer.authorities])
  const rootOf = async () => {
    const [, intermediate] = parseCertificates((await issuer.issue('api.example.com')).cert)
    return intermediate?.verify(older.root.publicKey) === true ? 'older' : 'newer'
  }
  expect(await rootOf()).toBe('older')
  issuer.clock.stepWall(older.root.validToDate.getTime() - 24 * HOUR_MS - issuer.clock.wallMs())
  expect(await rootOf()).toBe('newer')
})

test('the cache holds the 1000 most recently used hosts', async () => {
  const issuer = await createIssuer(['example.com'])
  const first = await issuer.issue('h0.example.com')
  const second = await issuer.issue('h1.example.com')
  for (let index = 2; index < 1000; index += 1) await issuer.issue(`h${index}.example.com`)
  expect(await issuer.issue('h0.example.com')).toBe(first)
  await issuer.issue('h1000.example.com')
  expect(await issuer.issue('h0.example.com')).toBe(first)
  expect(await issuer.issue('h1.example.com')).not.toBe(second)
})
