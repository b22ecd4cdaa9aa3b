import type { Io } from './io.ts'

/** What a command found, for a program that reads its standard output. */
export function printJson(value: object, io: Io): void {
  io.out(`${JSON.stringify(value, undefined, 2)}\n`)
}
