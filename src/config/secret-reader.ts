import { createSecret, type SecretReader } from '../lib/secret.ts'
import type { Finding } from './finding.ts'
import type { ReadFile, StatFile } from './read-file.ts'
import type { Config } from './schema.ts'
import type { SecretRef } from './value-schemas.ts'

/** Environment variables and files that a configuration may refer to. */
export type ConfigEnvironment = {
  readonly env: Readonly<Record<string, string | undefined>>
  readonly readFile: ReadFile
  /** Relative paths are relative to the directory of the configuration file. */
  readonly resolvePath?: (path: string) => string
  /** Undefined if file metadata is not available, as for a text that has not been saved. */
  readonly stat?: StatFile
  readonly statSocket?: StatFile
  /** Checks of a configuration that is valid otherwise, by layers above this one. */
  readonly checkConfig?: (config: Config) => Promise<Finding[]>
}

/** Reads a secret from where it is stored; a file is read again for each use. */
export function createSecretReader(ref: SecretRef, environment: ConfigEnvironment): SecretReader {
  return async () => createSecret(await readSecretText(ref, environment))
}

async function readSecretText(
  ref: SecretRef,
  { env, readFile }: ConfigEnvironment,
): Promise<string> {
  if (ref.file !== undefined) return (await readFile(ref.file)).replace(/\r?\n$/, '')
  return (ref.env === undefined ? ref.value : env[ref.env]) ?? ''
}
