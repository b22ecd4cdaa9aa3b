import { bashCompletion } from './bash-completion.ts'
import type { CompletionWords } from './completion-words.ts'
import { fishCompletion } from './fish-completion.ts'
import { EXIT, type Io } from './io.ts'
import { readConfig } from './read-config.ts'
import { zshCompletion } from './zsh-completion.ts'

const SCRIPTS = { bash: bashCompletion, zsh: zshCompletion, fish: fishCompletion }

export type Shell = keyof typeof SCRIPTS

export const SHELLS = Object.keys(SCRIPTS)

/** `completion`: a script that makes a shell complete the command line. */
export function completion(shell: Shell, words: CompletionWords, io: Io): number {
  io.out(SCRIPTS[shell](words))
  return EXIT.ok
}

/** For these scripts: the credentials of the configuration that the words of a command line name. */
export async function completeCredentials(
  words: readonly string[],
  fallback: string,
  io: Io,
): Promise<number> {
  const at = words.findLastIndex((word) => word === '-c' || word === '--config')
  const read = await readConfig(at === -1 ? fallback : (words[at + 1] ?? fallback), io)
  const names = 'fault' in read ? [] : Object.keys(read.result.config?.credentials ?? {})
  io.out(names.map((name) => `${name}\n`).join(''))
  return EXIT.ok
}
