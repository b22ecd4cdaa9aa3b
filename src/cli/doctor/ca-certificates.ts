import { readFile } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import { bundlePaths } from '../../compose/interception-authority.ts'
import type { Config } from '../../config/schema.ts'

/**
 * The certificates that applications have to trust, in PEM form; undefined if they cannot be read. Those of a generated
 * CA are marked in the bundle that the sidecar writes for applications.
 */
export async function readCaCertificates(
  { intercept }: Pick<Config, 'intercept'>,
  file: string,
): Promise<string | undefined> {
  if (intercept === undefined) return undefined
  const { ca } = intercept
  const resolvePath = (path: string): string => resolve(dirname(file), path)
  try {
    if (ca.kind === 'supplied' && ca.files.cert.file !== undefined) {
      return await readFile(resolvePath(ca.files.cert.file), 'utf8')
    }
    const { pem } = bundlePaths(intercept, resolvePath)
    return pem === undefined ? undefined : markedCertificates(await readFile(pem, 'utf8'))
  } catch {
    return undefined
  }
}

function markedCertificates(bundle: string): string {
  return (bundle.match(/^# token-sidecar\n-----BEGIN CERTIFICATE-----\n[^-]+/gm) ?? [])
    .map((start) => `${start}-----END CERTIFICATE-----\n`)
    .join('')
}
