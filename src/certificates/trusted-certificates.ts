import { X509Certificate } from 'node:crypto'
import { readdir, readFile, stat } from 'node:fs/promises'
import { delimiter, join, resolve } from 'node:path'
import { rootCertificates } from 'node:tls'

/** Where distributions store the CA certificates of the system; the same list as in Go. */
const SYSTEM_FILES = [
  '/etc/ssl/certs/ca-certificates.crt',
  '/etc/pki/tls/certs/ca-bundle.crt',
  '/etc/ssl/ca-bundle.pem',
  '/etc/pki/tls/cacert.pem',
  '/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem',
  '/etc/ssl/cert.pem',
]

/** Variables that name a file of CA certificates, of which most replace those of the system. */
const FILE_VARIABLES = [
  'SSL_CERT_FILE',
  'NODE_EXTRA_CA_CERTS',
  'REQUESTS_CA_BUNDLE',
  'CURL_CA_BUNDLE',
  'GIT_SSL_CAINFO',
  'PIP_CERT',
  'AWS_CA_BUNDLE',
  'DENO_CERT',
  'CARGO_HTTP_CAINFO',
  'CLOUDSDK_CORE_CUSTOM_CA_CERTS_FILE',
  'GRPC_DEFAULT_SSL_ROOTS_FILE_PATH',
  'npm_config_cafile',
]

type Environment = Readonly<Record<string, string | undefined>>

export type TrustedTexts = {
  /** In PEM form. */
  readonly texts: readonly string[]
  /** The variables whose files cannot be read. */
  readonly unreadable: readonly string[]
}

/**
 * What applications trust without the sidecar: the CA certificates of the system, and those that the environment
 * names. `ignored` are the files that the sidecar itself has written.
 */
export async function readTrustedTexts(
  env: Environment,
  ignored: readonly string[],
): Promise<TrustedTexts> {
  const texts = [await readSystem()]
  const unreadable: string[] = []
  const read = new Set(ignored)
  for (const name of FILE_VARIABLES) {
    const path = pathIn(env, name)
    if (path === undefined || read.has(path)) continue
    read.add(path)
    const text = await readText(path)
    if (text === undefined) unreadable.push(name)
    else texts.push(text)
  }
  for (const directory of (env['SSL_CERT_DIR'] ?? '').split(delimiter).filter(Boolean)) {
    texts.push(...(await readDirectory(directory)))
  }
  return { texts, unreadable }
}

function pathIn(env: Environment, name: string): string | undefined {
  const value = env[name]
  return value === undefined || value === '' ? undefined : resolve(value)
}

/** An image without CA certificates has those that Node contains, which are Mozilla's. */
async function readSystem(): Promise<string> {
  for (const path of SYSTEM_FILES) {
    const text = await readText(path)
    if (text !== undefined) return text
  }
  return rootCertificates.join('\n')
}

async function readDirectory(directory: string): Promise<string[]> {
  try {
    const names = (await readdir(directory)).toSorted()
    const texts = await Promise.all(
      names.map(async (name) => await readText(join(directory, name))),
    )
    return texts.filter((text) => text !== undefined)
  } catch {
    return []
  }
}

async function readText(path: string): Promise<string | undefined> {
  try {
    // Reading a named pipe without a writer would block a thread.
    return (await stat(path)).isFile() ? await readFile(path, 'utf8') : undefined
  } catch {
    return undefined
  }
}

/** Each certificate once; text that is not a certificate is skipped. */
export function distinctCertificates(texts: readonly string[]): X509Certificate[] {
  const found = new Map<string, X509Certificate>()
  for (const text of texts) {
    for (const block of text.match(CERTIFICATE) ?? []) {
      const key = block.replaceAll(/\s/g, '')
      if (found.has(key)) continue
      try {
        found.set(key, new X509Certificate(block))
      } catch {
        // System bundles of other programs are not ours to reject.
      }
    }
  }
  return [...found.values()]
}

const CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g
