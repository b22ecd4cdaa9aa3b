import { configJsonSchema } from '../config/json-schema.ts'
import { EXIT, type Io } from './io.ts'

/** `schema`: for editors that complete and check the configuration. */
export function schema(io: Io): number {
  io.out(`${JSON.stringify(configJsonSchema(), undefined, 2)}\n`)
  return EXIT.ok
}
