import { createPrivateKey, X509Certificate } from 'node:crypto'

/** Options of `tls.connect`; certificates and keys in PEM. */
export type TlsMaterial = {
  readonly ca?: string
  readonly cert?: string
  readonly key?: string
  readonly servername?: string
  readonly minVersion?: MinVersion
}

type MinVersion = 'TLSv1.2' | 'TLSv1.3'

/** Reads the files on every call, because certificates are rotated. */
export type TlsReader = () => Promise<TlsMaterial>

export type TlsFiles = {
  readonly ca?: { readonly file: string } | undefined
  readonly client?:
    | { readonly certificate: { readonly file: string }; readonly key: { readonly file: string } }
    | undefined
  readonly serverName?: string | undefined
  readonly minVersion: MinVersion
}

type ReadFile = (path: string) => Promise<string>

/**
 * RFC 6066 section 3: a server name has no trailing dot. In a URL, the dot marks a fully qualified domain
 * name.
 */
export function withoutTrailingDot(hostname: string): string {
  return hostname.replace(/\.$/, '')
}

/** A rotation may happen between reading the two files; the next attempt reads both new ones. */
const MAX_ATTEMPTS = 3

/** The reader fails if a file cannot be read, or if the key does not match the certificate. */
export function createTlsReader(files: TlsFiles, readFile: ReadFile): TlsReader {
  const { ca, client, serverName, minVersion } = files
  return async () => ({
    ...(ca !== undefined && { ca: await readFile(ca.file) }),
    ...(client !== undefined && (await readPair(client, readFile))),
    ...(serverName !== undefined && { servername: serverName }),
    // Set explicitly, because NODE_OPTIONS may lower Node's default.
    minVersion,
  })
}

async function readPair(
  { certificate, key }: NonNullable<TlsFiles['client']>,
  readFile: ReadFile,
): Promise<Pick<TlsMaterial, 'cert' | 'key'>> {
  for (let attempt = 1; attempt <= MAX_ATTEMPTS; attempt += 1) {
    const pair = { cert: await readFile(certificate.file), key: await readFile(key.file) }
    if (belongTogether(pair.cert, pair.key)) return pair
  }
  throw new Error('the client certificate and its key do not belong together')
}

/** False for invalid input as well. */
export function belongTogether(certificate: string, key: string): boolean {
  try {
    return new X509Certificate(certificate).checkPrivateKey(createPrivateKey(key))
  } catch {
    return false
  }
}
