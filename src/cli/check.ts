import type { Config } from '../config/schema.ts'
import { formatPlan } from './check-plan.ts'
import { checkReport, planOf, tokenReport, unreadableReport } from './check-report.ts'
import { describeToken, describeTokenFailure } from './describe-token.ts'
import { fetchNeeded } from './fetch-needed.ts'
import { formatLines } from './format-lines.ts'
import { EXIT, type Io } from './io.ts'
import { createPaint } from './paint.ts'
import { printJson } from './print-json.ts'
import {
  count,
  type ReadConfig,
  readConfig,
  reportProblems,
  reportUnreadable,
} from './read-config.ts'
import { createPlainShow, createTerminalShow } from './show-problem.ts'

export type CheckOptions = {
  readonly file: string
  /** Also fetch each token that a route needs. */
  readonly live: boolean
}

/** `check`: everything that is wrong with a configuration, and what it would do, without running it. */
export async function check({ file, live }: CheckOptions, io: Io): Promise<number> {
  const read = await readConfig(file, io)
  if ('fault' in read) {
    reportUnreadable(read, io)
    return EXIT.configInvalid
  }
  const { text, result } = read
  const show = io.isErrTerminal
    ? createTerminalShow(file, text, createPaint(true, io))
    : createPlainShow(file)
  reportProblems(file, result, io, show)
  if (!result.ok) return EXIT.configInvalid

  const paint = createPaint(io.isTerminal, io)
  const { config, warnings } = result
  io.out(`${file} is ${paint('green', 'valid')}: ${summaryOf(config, warnings.length)}\n`)
  io.out(formatPlan(planOf(config), paint))
  return live ? await showTokens(config, read, io) : EXIT.ok
}

/** `check --json`: the same as one object. */
export async function checkJson({ file, live }: CheckOptions, io: Io): Promise<number> {
  const read = await readConfig(file, io)
  if ('fault' in read) {
    printJson(unreadableReport(file, read.fault), io)
    return EXIT.configInvalid
  }
  const { result, places } = read
  const report = checkReport(file, result)
  if (!result.ok || !live) {
    printJson(report, io)
    return result.ok ? EXIT.ok : EXIT.configInvalid
  }
  const fetched = await Array.fromAsync(fetchNeeded(result.config, places))
  const tokens = fetched.map(tokenReport)
  printJson({ ...report, tokens }, io)
  return tokens.some(({ error }) => error !== null) ? EXIT.failed : EXIT.ok
}

function summaryOf({ routes, credentials }: Config, warnings: number): string {
  return [
    count(routes.length, 'route'),
    count(Object.keys(credentials).length, 'credential'),
    ...(warnings === 0 ? [] : [count(warnings, 'warning')]),
  ].join(', ')
}

/** One by one, as they come. */
async function showTokens(config: Config, { places }: ReadConfig, io: Io): Promise<number> {
  const paint = createPaint(io.isTerminal, io)
  let failures = 0
  for await (const fetched of fetchNeeded(config, places)) {
    const isGood = 'obtained' in fetched
    if (!isGood) failures += 1
    const lines = isGood ? describeToken(fetched.obtained) : describeTokenFailure(fetched.cause)
    io.out(`\n${paint(isGood ? 'green' : 'red', fetched.token)}\n${formatLines(lines, paint)}`)
  }
  return failures === 0 ? EXIT.ok : EXIT.failed
}
