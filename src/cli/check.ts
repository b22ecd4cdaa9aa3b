import { EXIT, type Io } from './io.ts'
import { count, readConfig, reportProblems } from './read-config.ts'

/** `check`: everything that is wrong with a configuration, without running it. */
export async function check(file: string, io: Io): Promise<number> {
  const read = await readConfig(file, io)
  if (read === undefined) return EXIT.configInvalid
  const { result } = read
  reportProblems(file, result, io)
  if (!result.ok) return EXIT.configInvalid
  const { routes, credentials } = result.config
  io.out(
    `${file} is valid: ${count(routes.length, 'route')}, ${count(Object.keys(credentials).length, 'credential')}\n`,
  )
  return EXIT.ok
}
