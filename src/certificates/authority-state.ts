import type { X509Certificate } from 'node:crypto'
import { SidecarError } from '../errors.ts'
import { fileProblem } from '../lib/file-problem.ts'
import { fingerprint } from '../lib/fingerprint.ts'
import { ensureAuthorities } from './authority-directory.ts'
import { describeLimits } from './name-constraints.ts'
import type { SigningAuthority } from './signing-authority.ts'
import { type AuthorityFiles, readSuppliedAuthority } from './supplied-authority.ts'

export type AuthoritySource = {
  readonly ca:
    | { readonly kind: 'generated'; readonly directory: string }
    | { readonly kind: 'supplied'; readonly files: AuthorityFiles }
  /** The hosts that a generated authority may sign: DNS names with their subdomains, and IP addresses. */
  readonly hosts: readonly string[]
  readonly readFile: (path: string) => Promise<string>
}

/** What the files of the certificate authority contain. */
export type AuthorityState = {
  /** In order of preference. */
  readonly authorities: readonly SigningAuthority[]
  /** The certificates that applications have to trust. */
  readonly roots: readonly X509Certificate[]
  /** The hosts because of which an authority was created. */
  readonly createdFor: readonly string[]
  readonly described: readonly AuthorityDescription[]
  readonly warnings: readonly string[]
  readonly fingerprint: string
}

/** What an authority is, for people. */
export type AuthorityDescription = {
  readonly file: string
  /** What applications trust: the root of a generated authority, or the supplied CA certificate. */
  readonly certificate: X509Certificate
  /** The DNS names that it may sign, with their subdomains; undefined if they are not limited. */
  readonly names: readonly string[] | undefined
  /** The same for IP addresses and networks. */
  readonly addresses: readonly string[] | undefined
  readonly notAfterMs: number
  readonly permits: (host: string) => boolean
}

/** Reads the files, and creates a generated authority if a host needs one. */
export async function readAuthorityState(
  { ca, hosts, readFile }: AuthoritySource,
  wallMs: () => number,
): Promise<AuthorityState> {
  return ca.kind === 'generated'
    ? await readGenerated(ca.directory, hosts, wallMs)
    : await readSupplied(ca.files, readFile, wallMs())
}

async function readGenerated(
  directory: string,
  hosts: readonly string[],
  wallMs: () => number,
): Promise<AuthorityState> {
  const { all, createdFor } = await ensureAuthorities(directory, hosts, wallMs)
  const valid = all.filter(({ root }) => root.validToDate.getTime() > wallMs())
  const exposed = valid.filter(({ isExposed }) => isExposed)
  const foreign = valid.filter(({ isForeign }) => isForeign)
  return {
    authorities: valid.flatMap(({ authorities }) => authorities),
    roots: valid.map(({ root }) => root),
    createdFor,
    described: valid.map(({ file, root, authorities }) => ({
      file,
      certificate: root,
      ...describeLimits(authorities),
      notAfterMs: Math.min(...authorities.map(({ notAfterMs }) => notAfterMs)),
      permits: (host) => authorities.some(({ permits }) => permits(host)),
    })),
    warnings: [
      ...exposed.map(
        ({ file }) => `other users can read the private key of the certificate authority "${file}"`,
      ),
      ...foreign.map(
        ({ file }) =>
          `the certificate authority "${file}" belongs to another user, who may know its private keys: applications that trust the bundles trust that user`,
      ),
      ...(createdFor.length > 0 && valid.length > 1
        ? [
            `applications that are running do not trust the new certificate authority until they read the trust bundle again, usually by a restart: it is needed for ${createdFor.join(', ')}`,
          ]
        : []),
    ],
    fingerprint: fingerprint(...valid.map(({ root }) => root.fingerprint256)),
  }
}

async function readSupplied(
  files: AuthorityFiles,
  readFile: AuthoritySource['readFile'],
  nowMs: number,
): Promise<AuthorityState> {
  try {
    const {
      authority,
      certificate,
      fingerprint: identity,
      roots,
      warnings,
    } = await readSuppliedAuthority(files, readFile, nowMs)
    return {
      authorities: [authority],
      roots,
      createdFor: [],
      described: [
        {
          file: files.cert.file,
          certificate,
          ...describeLimits([authority]),
          notAfterMs: authority.notAfterMs,
          permits: authority.permits,
        },
      ],
      warnings,
      fingerprint: identity,
    }
  } catch (cause) {
    throw new SidecarError(
      'internal_error',
      `Cannot use the certificate authority "${files.cert.file}": ${fileProblem(cause)}`,
      { cause },
    )
  }
}
