import type { Io } from './io.ts'

/** Prints the result of a command as JSON. */
export function printJson(value: object, io: Io): void {
  io.out(`${JSON.stringify(value, undefined, 2)}\n`)
}
