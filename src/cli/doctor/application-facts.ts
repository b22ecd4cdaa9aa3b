import { X509Certificate } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { RUNTIMES } from '../runtimes.ts'
import { SYSTEM_ROOTS } from './environment-findings.ts'
import type { ApplicationFacts, TrustFile } from './facts.ts'
import { parseSystemProperties, type Variables } from './read-variables.ts'
import { recogniseRuntimes } from './recognise-runtimes.ts'

type Application = {
  readonly env: Variables
  readonly command: readonly string[]
  /** The certificates of the CA of the sidecar, in PEM form; undefined if they are not known. */
  readonly caCertificates: string | undefined
  /** Where the application sees its files: `/proc/PID/root` for a process in a container. */
  readonly rootDirectory: string
}

/** Where distributions keep the certificates of the system. */
const SYSTEM_FILES = [
  '/etc/ssl/certs/ca-certificates.crt',
  '/etc/pki/tls/certs/ca-bundle.crt',
  '/etc/ssl/cert.pem',
]

/** Reads what the environment of an application refers to. */
export async function applicationFacts(application: Application): Promise<ApplicationFacts> {
  const { env, command, caCertificates, rootDirectory } = application
  const trust = new Map<string, TrustFile>()
  const roots = caCertificates === undefined ? undefined : fingerprints(caCertificates)
  if (roots !== undefined) {
    const read = async (path: string) => await trustOf(`${rootDirectory}${path}`, roots)
    for (const path of trustFiles(env)) trust.set(path, await read(path))
    for (const path of SYSTEM_FILES) {
      if ((await read(path)) === 'trusted') trust.set(SYSTEM_ROOTS, 'trusted')
    }
  }
  return { env, runtimes: recogniseRuntimes(command), trust }
}

/** Files in PEM form that variables name. */
function trustFiles(env: Variables): string[] {
  const names = RUNTIMES.flatMap(({ trust }) => (trust.kind === 'variables' ? trust.names : []))
  const store = parseSystemProperties(env['JAVA_TOOL_OPTIONS'] ?? '')['javax.net.ssl.trustStore']
  const paths = [...names.map((name) => env[name]), env['WGETRC'], store]
  return [...new Set(paths.flatMap((path) => (path?.startsWith('/') === true ? [path] : [])))]
}

async function trustOf(path: string, roots: ReadonlySet<string>): Promise<TrustFile> {
  try {
    const bytes = await readFile(path)
    if (isTruststore(bytes)) return 'trusted'
    const text = bytes.toString()
    const [, named] = /^\s*ca_certificate\s*=\s*(\S+)/m.exec(text) ?? []
    const own = fingerprints(named === undefined ? text : await readFile(named, 'utf8'))
    return [...own].some((fingerprint) => roots.has(fingerprint)) ? 'trusted' : 'other'
  } catch {
    return 'unreadable'
  }
}

/** PKCS#12 and JKS are binary, and not examined. */
function isTruststore(bytes: Buffer): boolean {
  return bytes[0] === 0x30 || bytes.readUInt32BE(0) === 0xfe_ed_fe_ed
}

function fingerprints(pem: string): Set<string> {
  return new Set(
    (pem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? []).flatMap(
      (block) => {
        try {
          return [new X509Certificate(block).fingerprint256]
        } catch {
          return []
        }
      },
    ),
  )
}
