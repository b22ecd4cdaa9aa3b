import { basename } from 'node:path'
import { type Runtime, RUNTIMES } from '../runtimes.ts'

/** Stands for a program that is not recognised. */
const OTHER_PROGRAM: Runtime = {
  name: 'other program',
  programs: [],
  proxy: { kind: 'variables', names: ['https_proxy', 'HTTPS_PROXY'] },
  trust: { kind: 'variables', names: ['SSL_CERT_FILE', 'NODE_EXTRA_CA_CERTS'] },
  bypassesLoopback: false,
}

/** The runtimes that a command may be, by the name of its executable; `/usr/bin/python3.11` is `python3`. */
export function recogniseRuntimes(command: readonly string[]): Runtime[] {
  // A wrapper is skipped: "env", "sh -c" and the like run another program.
  const names = command.flatMap((part) => part.split(/[\s;&|()'"`$]+/)).map(programName)
  const found = RUNTIMES.filter(({ programs }) => programs.includes(names[0] ?? ''))
  if (found.length > 0) return found
  const within = RUNTIMES.filter(({ programs }) =>
    programs.some((program) => names.includes(program)),
  )
  return within.length > 0 ? within : [OTHER_PROGRAM]
}

function programName(path: string): string {
  return basename(path).replace(/(?:\.\d+)+$/, '')
}
