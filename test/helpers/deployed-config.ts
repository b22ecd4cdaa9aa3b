import { generateKeyPairSync } from 'node:crypto'
import { loadConfig } from '../../src/config/load.ts'
import type { Config } from '../../src/config/schema.ts'

export type Deployed = {
  readonly config: Config
  readonly warnings: readonly string[]
  /** The files that the configuration names. */
  readonly files: readonly string[]
}

function makeKey(): string {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  return privateKey.export({ type: 'pkcs8', format: 'pem' })
}

/** Loads a configuration as it is deployed, where all its files exist. */
export async function loadDeployed(
  text: string,
  env: Readonly<Record<string, string>> = {},
): Promise<Deployed> {
  const files = new Set<string>()
  const result = await loadConfig(text, {
    env,
    async readFile(path) {
      files.add(path)
      return await Promise.resolve(path.endsWith('.pem') ? makeKey() : 'placeholder')
    },
  })
  if (!result.ok) throw new Error(JSON.stringify(result.problems, undefined, 2))
  const warnings = result.warnings.map(({ message }) => message)
  return { config: result.config, warnings, files: [...files] }
}
