import { isDeepStrictEqual } from 'node:util'
import type { Config } from './schema.ts'

/** Settings that take effect only when the process starts. */
const FIXED: Readonly<Record<string, (config: Config) => unknown>> = {
  // The callers of a listener that stays open can change.
  listen: ({ listen }) => listen.map(({ auth: _auth, ...fixed }) => fixed),
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
