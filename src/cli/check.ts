import { checkAuthority } from '../compose/authority-check.ts'
import type { Connected } from '../compose/upstream-probes.ts'
import type { Config } from '../config/schema.ts'
import { formatPlan } from './check-plan.ts'
import {
  checkReport,
  planOf,
  tokenReport,
  unreadableReport,
  upstreamReport,
} from './check-report.ts'
import { describeToken, describeTokenFailure } from './describe-token.ts'
import { fetchNeeded } from './fetch-needed.ts'
import { formatLines } from './format-lines.ts'
import { EXIT, type Io } from './io.ts'
import { createPaint } from './paint.ts'
import { printJson } from './print-json.ts'
import { probeStore } from './probe-store.ts'
import { probeUpstreams } from './probe-upstreams.ts'
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
  /** Do not read other files or environment variables. */
  readonly offline: boolean
}

/** For `--offline`: no other file is examined. */
const NOTHING = (): boolean => false

async function readChecked(
  { file, offline }: Pick<CheckOptions, 'file' | 'offline'>,
  io: Io,
): Promise<ReadConfig | { fault: string }> {
  return offline
    ? await readConfig(file, io, NOTHING)
    : await readConfig(file, io, undefined, checkAuthority)
}

/** `check`: reports all problems of a configuration, and shows what it does, without running it. */
export async function check({ file, live, offline }: CheckOptions, io: Io): Promise<number> {
  const read = await readChecked({ file, offline }, io)
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
  if (result.unchecked.length > 0) {
    io.out(`Not checked, because variables are not set: ${result.unchecked.join(', ')}\n`)
  } else io.out(formatPlan(planOf(config), paint))
  if (!live) return EXIT.ok
  const failures =
    (await showTokens(config, read, io)) +
    (await showStore(config, read, io)) +
    (await showUpstreams(config, read, io))
  return failures === 0 ? EXIT.ok : EXIT.failed
}

/** `check --json`: the same as one JSON object. */
export async function checkJson({ file, live, offline }: CheckOptions, io: Io): Promise<number> {
  const read = await readChecked({ file, offline }, io)
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
  const probed = await Array.fromAsync(probeUpstreams(result.config, places))
  const upstreams = probed.map(upstreamReport)
  const { tokenStore: storeConfig } = result.config
  const tokenStore = storeConfig === undefined ? null : await probeStore(storeConfig, places)
  printJson({ ...report, tokens, tokenStore, upstreams }, io)
  const isFailed = [...tokens, ...upstreams, tokenStore ?? { error: null }].some(
    ({ error }) => error !== null,
  )
  return isFailed ? EXIT.failed : EXIT.ok
}

function summaryOf({ routes, credentials }: Config, warnings: number): string {
  return [
    count(routes.length, 'route'),
    count(Object.keys(credentials).length, 'credential'),
    ...(warnings === 0 ? [] : [count(warnings, 'warning')]),
  ].join(', ')
}

/** Fetches and shows one token at a time. Returns the number of failures. */
async function showTokens(config: Config, { places }: ReadConfig, io: Io): Promise<number> {
  const paint = createPaint(io.isTerminal, io)
  let failures = 0
  for await (const fetched of fetchNeeded(config, places)) {
    const isSuccess = 'obtained' in fetched
    if (!isSuccess) failures += 1
    const lines = isSuccess ? describeToken(fetched.obtained) : describeTokenFailure(fetched.cause)
    io.out(`\n${paint(isSuccess ? 'green' : 'red', fetched.token)}\n${formatLines(lines, paint)}`)
  }
  return failures
}

/** Probes and shows the token store, if there is one. Returns the number of failures. */
async function showStore({ tokenStore }: Config, { places }: ReadConfig, io: Io): Promise<number> {
  if (tokenStore === undefined) return 0
  const paint = createPaint(io.isTerminal, io)
  const { urls, mode, error } = await probeStore(tokenStore, places)
  const lines: [string, string][] = [
    ['url', urls.join(', ')],
    ['mode', mode],
    error === null
      ? ['works', 'an entry was written, read and deleted']
      : ['failed', `token store unavailable: ${error}`],
  ]
  io.out(
    `\n${paint(error === null ? 'green' : 'red', 'token store')}\n${formatLines(lines, paint)}`,
  )
  return error === null ? 0 : 1
}

/** The same for connections to upstreams. */
async function showUpstreams(config: Config, { places }: ReadConfig, io: Io): Promise<number> {
  const paint = createPaint(io.isTerminal, io)
  let failures = 0
  for await (const probed of probeUpstreams(config, places)) {
    const { origin, routes, proxy } = probed
    const isSuccess = 'connected' in probed
    if (!isSuccess) failures += 1
    const lines: [string, string][] = [
      [routes.length === 1 ? 'route' : 'routes', routes.join(', ')],
      ...(proxy === null ? [] : [['proxy', proxy] satisfies [string, string]]),
      isSuccess ? ['connected', describeConnection(probed.connected)] : ['failed', probed.fault],
    ]
    io.out(`\n${paint(isSuccess ? 'green' : 'red', origin)}\n${formatLines(lines, paint)}`)
  }
  return failures
}

function describeConnection({ tls }: Connected): string {
  return tls === undefined
    ? 'without TLS'
    : `${tls.version}, ${tls.protocol === 'h2' ? 'HTTP/2' : 'HTTP/1.1'}, certificate valid until ${tls.certificateExpiresAt ?? 'an unknown date'}`
}
