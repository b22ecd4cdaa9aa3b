import { readFileSync } from 'node:fs'
import { patternOf } from '../stage/responses.ts'
import { loadSettings } from './node-load.ts'

/** Reads the settings that a load generator was started with. */
export function readLoadSettings() {
  const { head, bodyBytes, ...settings } = loadSettings.parse(
    JSON.parse(readFileSync(process.argv[2] ?? '', 'utf8')),
  )
  return {
    ...settings,
    request: Buffer.concat([Buffer.from(head, 'latin1'), patternOf(bodyBytes)]),
  }
}
