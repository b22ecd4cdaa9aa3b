import { isDeepStrictEqual } from 'node:util'
import type { Config } from './schema.ts'

/** Settings that take effect only when the process starts. */
const FIXED: Readonly<Record<string, (config: Config) => unknown>> = {
  listen: ({ listen }) => listen,
  admin: ({ admin }) => admin,
  'limits.headers': ({ limits }) => limits.headers,
  'log.format': ({ log }) => log.format,
}

/** The changed settings that require a restart. */
export function fixedChanges(running: Config, wanted: Config): string[] {
  return Object.entries(FIXED)
    .filter(([, read]) => !isDeepStrictEqual(read(running), read(wanted)))
    .map(([setting]) => setting)
}
