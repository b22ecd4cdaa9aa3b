import { configJsonSchema } from '../config/json-schema.ts'
import { EXIT, type Io } from './io.ts'

/** `schema`: prints the JSON Schema of the configuration, for editors. */
export function schema(io: Io): number {
  io.out(`${JSON.stringify(configJsonSchema(), undefined, 2)}\n`)
  return EXIT.ok
}
