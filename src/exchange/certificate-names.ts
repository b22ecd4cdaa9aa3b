import type { X509Certificate } from 'node:crypto'

/** The names of client certificates that a listener serves. */
export type CertificateNames = {
  readonly commonNames: readonly string[]
  readonly dnsNames: readonly string[]
  readonly uris: readonly string[]
}

/** The name of a certificate that is one of `allowed`; undefined if there is none. */
export function allowedName(
  certificate: X509Certificate,
  allowed: CertificateNames,
): string | undefined {
  const commonNames = commonNamesOf(certificate)
  const uris = urisOf(certificate)
  return (
    allowed.commonNames.find((name) => commonNames.includes(name)) ??
    allowed.dnsNames.find((name) => hasDnsName(certificate, name)) ??
    allowed.uris.find((uri) => uris.includes(uri))
  )
}

/** The common name of the subject, for the log. */
export function commonNamesOf(certificate: X509Certificate): readonly string[] {
  const { CN = [] } = certificate.toLegacyObject().subject
  return [CN].flat()
}

function hasDnsName(certificate: X509Certificate, name: string): boolean {
  return certificate.checkHost(name, { subject: 'never', wildcards: false }) !== undefined
}

/** Node writes a name that contains a separator as a JSON string, so that it cannot be taken for several. */
function urisOf({ subjectAltName = '' }: X509Certificate): string[] {
  const names = subjectAltName.matchAll(
    /(?:^|, )(?<type>[^:,"]+):(?:(?<quoted>"(?:[^"\\]|\\.)*")|(?<plain>[^,"]*))(?=, |$)/g,
  )
  return [...names].flatMap(({ groups = {} }) => {
    if (groups['type'] !== 'URI') return []
    const { quoted, plain = '' } = groups
    return quoted === undefined ? [plain] : [String(JSON.parse(quoted))]
  })
}
