import { createSecret, type SecretReader } from '../lib/secret.ts'
import type { ReadFile, StatFile } from './read-file.ts'
import type { SecretRef } from './value-schemas.ts'

export type ConfigEnvironment = {
  readonly env: Readonly<Record<string, string | undefined>>
  readonly readFile: ReadFile
  /** Undefined where there are no files of their own, as for a text that is only tried out. */
  readonly stat?: StatFile
  readonly statSocket?: StatFile
}

/** Opens the place that a secret is kept in; a file is read again each time the secret is needed. */
export function createSecretReader(ref: SecretRef, places: ConfigEnvironment): SecretReader {
  return async () => createSecret(await readSecretText(ref, places))
}

async function readSecretText(
  ref: SecretRef,
  { env, readFile }: ConfigEnvironment,
): Promise<string> {
  if (ref.file !== undefined) return (await readFile(ref.file)).replace(/\r?\n$/, '')
  return (ref.env === undefined ? ref.value : env[ref.env]) ?? ''
}
