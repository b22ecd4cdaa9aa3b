import type { Io } from './io.ts'

/** What a command found, for a program that reads its standard output. */
export function printJson(value: object, io: Io): void {
  const text = JSON.stringify(value, undefined, 2)
  // JSON need not escape these, and a server's words must not be able to move the cursor.
  io.out(`${text.replaceAll(/[\u007F-\u009F]/g, escape)}\n`)
}

function escape(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`
}
