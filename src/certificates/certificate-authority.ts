import type { X509Certificate } from 'node:crypto'
import { toSidecarError } from '../errors.ts'
import type { Clock } from '../lib/clock.ts'
import {
  type AuthorityDescription,
  type AuthoritySource,
  type AuthorityState,
  readAuthorityState,
} from './authority-state.ts'
import { type CertificateIssuer, createCertificateIssuer } from './certificate-issuer.ts'
import { createTrustBundle, type TrustBundleOptions } from './trust-bundle.ts'

export type CertificateAuthority = CertificateIssuer & {
  /** The certificates that applications have to trust. */
  readonly roots: () => readonly X509Certificate[]
  readonly describe: () => readonly AuthorityDescription[]
  /** The hosts because of which an authority was created when this one was opened. */
  readonly createdFor: readonly string[]
  readonly close: () => void
}

export type CertificateAuthorityOptions = AuthoritySource & {
  readonly bundle: Omit<TrustBundleOptions, 'onUnreadable'>
  readonly clock: Clock
  readonly logger: AuthorityLog
}

export type AuthorityLog = {
  readonly info: (fields: object, message: string) => void
  readonly warn: (fields: object, message: string) => void
}

/** How often the files are read again. */
const INTERVAL_MS = 30_000
/** What is missing after that is written at the next interval. */
const MAX_PASSES = 3

/**
 * Fails if the files cannot be used, or an authority or a trust bundle cannot be written. Later it uses the last
 * usable files.
 */
export async function openCertificateAuthority(
  options: CertificateAuthorityOptions,
): Promise<CertificateAuthority> {
  const { clock, logger } = options
  const reported = new Set<string>()
  const warnOnce = (fields: object, message: string): void => {
    const warning = JSON.stringify([fields, message])
    if (!reported.has(warning)) logger.warn(fields, message)
    reported.add(warning)
  }
  const bundle = createTrustBundle({
    ...options.bundle,
    onUnreadable: (variables) =>
      warnOnce(
        { variables },
        'cannot read the files that these variables name: their CA certificates are missing in the trust bundle',
      ),
  })

  async function read(): Promise<AuthorityState> {
    const state = await readAuthorityState(options, () => clock.wallMs())
    const { createdFor } = state
    if (createdFor.length > 0) logger.info({ hosts: createdFor }, 'certificate authority created')
    for (const warning of state.warnings) warnOnce({}, warning)
    return state
  }

  async function load(): Promise<AuthorityState> {
    let state = await read()
    const { createdFor } = state
    // Another process may have added an authority to the directory before this one wrote the bundle.
    for (let pass = 1; pass <= MAX_PASSES && (await bundle.update(state.roots)); pass += 1) {
      logger.info({ roots: state.roots.length }, 'trust bundle written')
      state = await read()
    }
    return { ...state, createdFor }
  }

  let current = await load()
  const { createdFor } = current
  let lastProblem: string | undefined
  let isClosed = false
  let cancel = clock.schedule(INTERVAL_MS, () => void refresh())

  async function refresh(): Promise<void> {
    try {
      const next = await load()
      // The same object keeps the certificates of hosts in the cache.
      if (next.fingerprint !== current.fingerprint) {
        current = next
        logger.info({}, 'certificate authority reloaded')
      }
      lastProblem = undefined
    } catch (cause) {
      const { message } = toSidecarError(cause)
      if (message !== lastProblem) {
        logger.warn({ reason: message }, 'certificate authority not reloaded')
      }
      lastProblem = message
    }
    if (!isClosed) cancel = clock.schedule(INTERVAL_MS, () => void refresh())
  }

  return {
    ...createCertificateIssuer({ authorities: () => current.authorities, clock }),
    roots: () => current.roots,
    describe: () => current.described,
    createdFor,
    close() {
      isClosed = true
      cancel()
    },
  }
}
