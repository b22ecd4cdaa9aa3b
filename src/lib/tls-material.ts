import { createPrivateKey, X509Certificate } from 'node:crypto'

/** What a TLS connection is made with, as `tls.connect` takes it. PEM texts. */
export type TlsMaterial = {
  readonly ca?: string
  readonly cert?: string
  readonly key?: string
  readonly servername?: string
  readonly minVersion?: MinVersion
}

type MinVersion = 'TLSv1.2' | 'TLSv1.3'

/** Reads it anew, because certificates are rotated. */
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
 * RFC 6066 section 3: a server name has no trailing dot, which only says that the name of a URL is a fully
 * qualified one.
 */
export function withoutTrailingDot(hostname: string): string {
  return hostname.replace(/\.$/, '')
}

/** A rotation may happen between the reading of two files; then the next try finds them both new. */
const TRIES = 3

/** Fails when a file can't be read, or when certificate and key do not belong together. */
export function createTlsReader(files: TlsFiles, readFile: ReadFile): TlsReader {
  const { ca, client, serverName, minVersion } = files
  return async () => ({
    ...(ca !== undefined && { ca: await readFile(ca.file) }),
    ...(client !== undefined && (await readPair(client, readFile))),
    ...(serverName !== undefined && { servername: serverName }),
    // Said each time, because the environment may lower Node's own.
    minVersion,
  })
}

async function readPair(
  { certificate, key }: NonNullable<TlsFiles['client']>,
  readFile: ReadFile,
): Promise<Pick<TlsMaterial, 'cert' | 'key'>> {
  for (let attempt = 1; attempt <= TRIES; attempt += 1) {
    const pair = { cert: await readFile(certificate.file), key: await readFile(key.file) }
    if (belongTogether(pair.cert, pair.key)) return pair
  }
  throw new Error('the client certificate and its key do not belong together')
}

/** Also false for what is no certificate or no key. */
export function belongTogether(certificate: string, key: string): boolean {
  try {
    return new X509Certificate(certificate).checkPrivateKey(createPrivateKey(key))
  } catch {
    return false
  }
}
