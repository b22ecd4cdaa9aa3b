import { readFile, writeFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'

/**
 * Writes a start-up file for wget that trusts the certificates in `pem`. It begins with the file that it replaces:
 * `WGETRC`, or `.wgetrc` of the user.
 */
export async function writeWgetrc(
  path: string,
  pem: string,
  env: Readonly<Record<string, string | undefined>>,
): Promise<void> {
  const existing = env['WGETRC'] ?? join(env['HOME'] ?? homedir(), '.wgetrc')
  const settings = await readFile(existing, 'utf8').catch(() => '')
  await writeFile(path, `${settings}\nca_certificate = ${pem}\n`, { mode: 0o600 })
}
