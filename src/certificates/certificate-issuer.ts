import { generateKeyPair } from 'node:crypto'
import { isIP } from 'node:net'
import { promisify } from 'node:util'
import {
  ExtendedKeyUsage,
  GeneralName,
  id_ce_extKeyUsage,
  id_ce_keyUsage,
  id_ce_subjectAltName,
  id_kp_serverAuth,
  KeyUsage,
  KeyUsageFlags,
  SubjectAlternativeName,
} from '@peculiar/asn1-x509'
import { SidecarError } from '../errors.ts'
import type { Clock } from '../lib/clock.ts'
import { distinguishedName, extension, signCertificate } from './sign-certificate.ts'
import type { SigningAuthority } from './signing-authority.ts'

type HostCertificate = {
  /** In PEM form: the certificate of the host, followed by the intermediate certificates. */
  readonly cert: string
  /** In PEM form. */
  readonly key: string
}

export type CertificateIssuer = {
  /**
   * A certificate for a DNS name in lower case, or for an IP address without brackets. It comes from a cache, in
   * which it is the same object until it is renewed, before it expires.
   */
  readonly issue: (host: string) => Promise<HostCertificate>
  /** Whether the CA may sign this host. */
  readonly permits: (host: string) => boolean
}

export type CertificateIssuerOptions = {
  /** In order of preference. */
  readonly authorities: () => readonly SigningAuthority[]
  readonly clock: Clock
}

const MINUTE_MS = 60_000
const LIFETIME_MS = 24 * 60 * MINUTE_MS
/** The clock of a client in another container or virtual machine may be late. */
const BACKDATED_MS = 10 * MINUTE_MS
/** For hosts that a route names by `*.suffix`, which may be many. */
const MAX_CACHED = 1_000

const generateKey = promisify(generateKeyPair)

type CacheEntry = {
  readonly certificate: Promise<HostCertificate>
  readonly authority: SigningAuthority
  readonly renewAtMs: number
}

/** Issues the certificates with which the sidecar answers for the hosts of routes. */
export function createCertificateIssuer({
  authorities,
  clock,
}: CertificateIssuerOptions): CertificateIssuer {
  /** The least recently used host is first. */
  const cache = new Map<string, CacheEntry>()

  /** The first one that outlives the certificate of a host; otherwise the first one that is valid. */
  const authorityOf = (host: string, nowMs: number): SigningAuthority | undefined => {
    const valid = authorities().filter(
      ({ notBeforeMs, notAfterMs, permits }) =>
        notBeforeMs <= nowMs && nowMs < notAfterMs && permits(host),
    )
    return valid.find(({ notAfterMs }) => notAfterMs - nowMs > LIFETIME_MS) ?? valid[0]
  }

  return {
    permits: (host) => authorityOf(host, clock.wallMs()) !== undefined,
    async issue(host) {
      const nowMs = clock.wallMs()
      const authority = authorityOf(host, nowMs)
      if (authority === undefined) {
        throw new SidecarError(
          'internal_error',
          `Cannot issue a certificate for "${host}": the certificate authority does not permit this name`,
        )
      }
      const cached = cache.get(host)
      cache.delete(host)
      if (cached?.authority === authority && nowMs < cached.renewAtMs) {
        cache.set(host, cached)
        return await cached.certificate
      }
      const notAfterMs = Math.min(nowMs + LIFETIME_MS, authority.notAfterMs)
      const certificate = signHost(host, authority, nowMs - BACKDATED_MS, notAfterMs)
      const entry = { certificate, authority, renewAtMs: nowMs + (notAfterMs - nowMs) / 2 }
      cache.set(host, entry)
      // A failure is not cached.
      certificate.catch(() => {
        if (cache.get(host) === entry) cache.delete(host)
      })
      const [oldest] = cache.keys()
      if (cache.size > MAX_CACHED && oldest !== undefined) cache.delete(oldest)
      return await certificate
    },
  }
}

/** The common name is not set, because a host in it breaks GnuTLS, Java or OpenSSL for an IP address. */
const SUBJECT = distinguishedName('token-sidecar')

async function signHost(
  host: string,
  { signer, chain }: SigningAuthority,
  notBeforeMs: number,
  notAfterMs: number,
): Promise<HostCertificate> {
  const { publicKey, privateKey } = await generateKey('ec', { namedCurve: 'P-256' })
  const name = new GeneralName(isIP(host) === 0 ? { dNSName: host } : { iPAddress: host })
  const extensions = [
    extension(id_ce_keyUsage, new KeyUsage(KeyUsageFlags.digitalSignature), true),
    extension(id_ce_extKeyUsage, new ExtendedKeyUsage([id_kp_serverAuth])),
    extension(id_ce_subjectAltName, new SubjectAlternativeName([name])),
  ]
  const content = { subject: SUBJECT, publicKey, notBeforeMs, notAfterMs, extensions }
  const certificate = await signCertificate(content, signer)
  return {
    cert: certificate + chain,
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }),
  }
}
