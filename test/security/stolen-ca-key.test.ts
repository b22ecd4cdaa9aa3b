import { generateKeyPairSync, X509Certificate } from 'node:crypto'
import { join } from 'node:path'
import {
  BasicConstraints,
  ExtendedKeyUsage,
  type Extension,
  GeneralName,
  id_ce_basicConstraints,
  id_ce_extKeyUsage,
  id_ce_keyUsage,
  id_ce_subjectAltName,
  id_kp_serverAuth,
  KeyUsage,
  KeyUsageFlags,
  SubjectAlternativeName,
} from '@peculiar/asn1-x509'
import { beforeAll, describe, expect, test } from 'vitest'
import { formatAuthority, parseAuthority } from '../../src/certificates/authority-file.ts'
import { generateAuthority } from '../../src/certificates/generate-authority.ts'
import {
  distinguishedName,
  extension,
  keyIdentifierOf,
  signCertificate,
  type Signer,
} from '../../src/certificates/sign-certificate.ts'
import { createTrustBundle } from '../../src/certificates/trust-bundle.ts'
import { findHttpsClients } from '../helpers/https-clients.ts'
import { temporaryDirectory } from '../helpers/sidecar.ts'
import { type Identity, startImpostor } from '../helpers/tls-impostor.ts'
import { MAY_SKIP } from '../helpers/tools.ts'

/*
 * What a thief of the private keys of a generated CA can do with clients that trust it. The CA is for api.example.com,
 * 192.0.2.10 and 2001:db8::10. A client has accepted a certificate if its request has arrived.
 */

const DAY_MS = 86_400_000

type Forgery = {
  readonly what: string
  /** The host that the client calls. */
  readonly host: string
  readonly identity: Identity
}

type Signing = Signer & { readonly chain: string }

const name = (dNSName: string): GeneralName => new GeneralName({ dNSName })
const address = (iPAddress: string): GeneralName => new GeneralName({ iPAddress })

const SERVER = [
  extension(id_ce_keyUsage, new KeyUsage(KeyUsageFlags.digitalSignature), true),
  extension(id_ce_extKeyUsage, new ExtendedKeyUsage([id_kp_serverAuth])),
]
const AUTHORITY = [
  extension(id_ce_basicConstraints, new BasicConstraints({ cA: true }), true),
  extension(id_ce_keyUsage, new KeyUsage(KeyUsageFlags.keyCertSign), true),
]

async function sign(
  signer: Signing,
  commonName: string | undefined,
  extensions: readonly Extension[],
) {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const certificate = await signCertificate(
    {
      subject: distinguishedName('forged', commonName),
      publicKey,
      notBeforeMs: Date.now() - DAY_MS,
      notAfterMs: Date.now() + DAY_MS,
      extensions,
    },
    signer,
  )
  return {
    cert: certificate + signer.chain,
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }),
    /** For an authority: what signs with it. */
    signing: {
      subject: distinguishedName('forged', commonName),
      key: privateKey,
      keyIdentifier: keyIdentifierOf(publicKey),
      chain: certificate + signer.chain,
    },
  }
}

async function forge(
  signer: Signing,
  names: readonly GeneralName[],
  commonName?: string,
): Promise<Identity> {
  const alternatives = extension(id_ce_subjectAltName, new SubjectAlternativeName([...names]))
  return await sign(signer, commonName, [...SERVER, ...(names.length > 0 ? [alternatives] : [])])
}

async function createForgeries() {
  const generated = await generateAuthority(
    ['api.example.com', '192.0.2.10', '2001:db8::10'],
    Date.now(),
  )
  const { root, authorities } = parseAuthority(formatAuthority(generated))
  const [names, addresses] = authorities.map(({ signer, chain }) => ({ ...signer, chain }))
  if (names === undefined || addresses === undefined) throw new Error('expected two authorities')
  const subordinate = await sign(names, 'subordinate', AUTHORITY)

  const accepted: Forgery[] = [
    {
      what: 'a named host',
      host: 'api.example.com',
      identity: await forge(names, [name('api.example.com')]),
    },
    {
      what: 'a subdomain',
      host: 'v2.api.example.com',
      identity: await forge(names, [name('v2.api.example.com')]),
    },
    {
      what: 'a named address',
      host: '192.0.2.10',
      identity: await forge(addresses, [address('192.0.2.10')]),
    },
  ]
  const evil = 'evil.example'
  const rejected: Forgery[] = [
    { what: 'another host', host: evil, identity: await forge(names, [name(evil)]) },
    {
      what: 'another host beside a named one',
      host: evil,
      identity: await forge(names, [name('api.example.com'), name(evil)]),
    },
    {
      what: 'another host in upper case',
      host: evil,
      identity: await forge(names, [name('EVIL.EXAMPLE')]),
    },
    {
      what: 'another host with a trailing dot',
      host: evil,
      identity: await forge(names, [name('evil.example.')]),
    },
    {
      what: 'another host in the common name alone',
      host: evil,
      identity: await forge(names, [], evil),
    },
    {
      what: 'another host in the common name beside a named host',
      host: evil,
      identity: await forge(names, [name('api.example.com')], evil),
    },
    {
      what: 'another host before a null character',
      host: evil,
      identity: await forge(names, [name('evil.example\0.api.example.com')]),
    },
    {
      what: 'the parent domain',
      host: 'example.com',
      identity: await forge(names, [name('example.com')]),
    },
    {
      what: 'a sibling by a wildcard',
      host: 'www.example.com',
      identity: await forge(names, [name('*.example.com')]),
    },
    {
      what: 'every host by a wildcard',
      host: evil,
      identity: await forge(names, [name('*.example')]),
    },
    {
      what: 'a name that ends like a named host',
      host: 'evilapi.example.com',
      identity: await forge(names, [name('evilapi.example.com')]),
    },
    {
      what: 'a name that begins like a named host',
      host: 'api.example.com.evil.example',
      identity: await forge(names, [name('api.example.com.evil.example')]),
    },
    {
      what: 'an address, by the CA for names',
      host: '192.0.2.66',
      identity: await forge(names, [address('192.0.2.66')]),
    },
    {
      what: 'an address beside a named host',
      host: '192.0.2.66',
      identity: await forge(names, [name('api.example.com'), address('192.0.2.66')]),
    },
    {
      what: 'an address as a name',
      host: '192.0.2.66',
      identity: await forge(names, [name('192.0.2.66')]),
    },
    {
      what: 'an IPv6 address, by the CA for names',
      host: '[2001:db8::66]',
      identity: await forge(names, [address('2001:db8::66')]),
    },
    {
      what: 'another address, by the CA for addresses',
      host: '192.0.2.66',
      identity: await forge(addresses, [address('192.0.2.66')]),
    },
    {
      what: 'another IPv6 address, by the CA for addresses',
      host: '[2001:db8::66]',
      identity: await forge(addresses, [address('2001:db8::66')]),
    },
    {
      what: 'a name, by the CA for addresses',
      host: evil,
      identity: await forge(addresses, [name(evil)]),
    },
    {
      what: 'a name beside a named address',
      host: evil,
      identity: await forge(addresses, [address('192.0.2.10'), name(evil)]),
    },
    {
      what: 'a name in the common name, by the CA for addresses',
      host: evil,
      identity: await forge(addresses, [], evil),
    },
    {
      what: 'another host, by a subordinate CA',
      host: evil,
      identity: await forge(subordinate.signing, [name(evil)]),
    },
    {
      what: 'a named host, by a subordinate CA',
      host: 'api.example.com',
      identity: await forge(subordinate.signing, [name('api.example.com')]),
    },
  ]
  return { root, accepted, rejected }
}

/** The same certificates from a CA without constraints: clients accept them, so they are not rejected for another reason. */
async function createControls() {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const subject = distinguishedName('forged', 'unconstrained root')
  const self = { subject, key: privateKey, keyIdentifier: keyIdentifierOf(publicKey) }
  const root = await signCertificate(
    {
      subject,
      publicKey,
      notBeforeMs: Date.now() - DAY_MS,
      notAfterMs: Date.now() + DAY_MS,
      extensions: AUTHORITY,
    },
    self,
  )
  const intermediate = await sign({ ...self, chain: '' }, 'unconstrained', AUTHORITY)
  const hosts = [
    { host: 'evil.example', names: [name('evil.example')] },
    { host: 'evil.example', names: [name('api.example.com'), name('evil.example')] },
    { host: '192.0.2.66', names: [address('192.0.2.66')] },
    { host: '[2001:db8::66]', names: [address('2001:db8::66')] },
    { host: 'www.example.com', names: [name('*.example.com')] },
  ]
  const controls: Forgery[] = []
  for (const { host, names } of hosts) {
    controls.push({ what: 'control', host, identity: await forge(intermediate.signing, names) })
  }
  return { root: new X509Certificate(root), controls }
}

const CLIENTS = await findHttpsClients()

describe.for(CLIENTS)('$name', ({ request, lacksIpv6 }) => {
  const isCalled = ({ host }: Forgery) => lacksIpv6 === undefined || !host.startsWith('[')
  let forgeries: Awaited<ReturnType<typeof createForgeries>>
  let controls: Awaited<ReturnType<typeof createControls>>

  beforeAll(async () => {
    forgeries = await createForgeries()
    controls = await createControls()
  })

  test.skipIf(request === undefined && MAY_SKIP)(
    'accepts no certificate for another host that the key of a generated CA signs',
    { timeout: 180_000 },
    async () => {
      const home = await temporaryDirectory()
      const [bundle, truststore] = [join(home, 'ca-bundle.pem'), join(home, 'truststore.p12')]
      await createTrustBundle({
        pem: bundle,
        pkcs12: truststore,
        password: 'changeit',
        wgetrc: undefined,
        env: {},
        onUnreadable: () => {},
      }).update([forgeries.root, controls.root])

      const accepted = [...forgeries.accepted, ...controls.controls].filter(isCalled)
      const all = [...accepted, ...forgeries.rejected.filter(isCalled)]
      const cases = all.map((forgery, index) => ({ ...forgery, port: 20_000 + index }))
      const impostor = await startImpostor(
        new Map(cases.map(({ port, identity }) => [port, identity])),
      )
      const urls = cases.map(({ host, port }) => `https://${host}:${port}/`)
      await request?.(urls, { proxy: impostor.url, bundle, truststore, home })

      const describeAll = (ports: ReadonlySet<number>) =>
        cases.filter(({ port }) => ports.has(port)).map(describeForgery)
      expect(describeAll(impostor.connected)).toEqual(all.map(describeForgery))
      expect(describeAll(impostor.requested)).toEqual(accepted.map(describeForgery))
    },
  )
})

function describeForgery({ what, host }: Forgery): string {
  return `${what}: ${host}`
}
