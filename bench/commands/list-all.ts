import { CONTENDERS } from '../contenders/all.ts'
import { UPSTREAM_CLIENTS } from '../contenders/upstream-clients.ts'
import { CASES } from '../measure/cases.ts'
import { EXIT, type Io } from './io.ts'

/** `--list`: prints the available cases and contenders. */
export async function listAll(io: Io): Promise<number> {
  const cases = CASES.map(({ name, title }) => `  ${name.padEnd(14)} ${title}`)
  const contenders = await Promise.all(
    [...CONTENDERS, ...UPSTREAM_CLIENTS].map(async (contender) => {
      const { name, about } = contender
      const found = await contender.find()
      const state = found.isFound ? found.version : `skipped: ${found.missing}`
      return `  ${name.padEnd(15)} ${about}${state === '' ? '' : ` [${state}]`}`
    }),
  )
  io.out(`Cases:\n${cases.join('\n')}\n\nContenders:\n${contenders.join('\n')}\n`)
  return EXIT.ok
}
