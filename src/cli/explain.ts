import type { ListenerConfig } from '../config/listen-schema.ts'
import type { Config } from '../config/schema.ts'
import { closest } from '../lib/closest.ts'
import { escapeControls } from '../lib/escape-controls.ts'
import { describeWebPages } from './describe-web-pages.ts'
import { type ExplainedRequest, type Explanation, explanationOf } from './explanation.ts'
import { formatLines } from './format-lines.ts'
import { EXIT, type Io } from './io.ts'
import { createPaint, type Paint } from './paint.ts'
import { printJson } from './print-json.ts'
import { readConfig, readReadableConfig } from './read-config.ts'
import { unreadableProblem } from './reported-problem.ts'

export type ExplainOptions = ExplainedRequest & {
  readonly file: string
  /** The name of the listener that receives the request; undefined for the first one. */
  readonly listener: string | undefined
}

/** `explain`: shows the route, the upstream and the token of a request, and why. */
export async function explain(
  { file, listener: name, ...request }: ExplainOptions,
  io: Io,
): Promise<number> {
  const config = await readReadableConfig(file, io)
  if (config === undefined) return EXIT.configInvalid
  const listener = findListener(name, config, io)
  if (listener === undefined) return EXIT.usage
  const { method, url } = request
  const explanation = explanationOf(request, config, listener)
  const paint = createPaint(io.isTerminal, io)
  io.out(
    `${paint('bold', escapeControls(`${method} ${url}`))}\n${formatExplanation(explanation, paint)}`,
  )
  return exitCodeOf(explanation)
}

/** `explain --json`: the same as one JSON object, documented in docs/command-line.md. */
export async function explainJson(
  { file, listener: name, ...request }: ExplainOptions,
  io: Io,
): Promise<number> {
  const read = await readConfig(file, io)
  const { method, url } = request
  const described = { file, method, url }
  if ('fault' in read) {
    printJson({ ...described, ...NOTHING, problems: [unreadableProblem(read.fault)] }, io)
    return EXIT.configInvalid
  }
  const { result } = read
  const { config } = result
  if (config === undefined) {
    printJson({ ...described, ...NOTHING, problems: result.ok ? [] : result.problems }, io)
    return EXIT.configInvalid
  }
  const listener = findListener(name, config, io)
  if (listener === undefined) return EXIT.usage
  const explanation = explanationOf(request, config, listener)
  printJson({ ...described, ...NOTHING, listener: listener.name, ...explanation }, io)
  return exitCodeOf(explanation)
}

/** The listener with this name, by default the first one. Reports an unknown name. */
function findListener(
  name: string | undefined,
  { listen }: Config,
  io: Io,
): ListenerConfig | undefined {
  const found = name === undefined ? listen[0] : listen.find((each) => each.name === name)
  if (found === undefined && name !== undefined) {
    const names = listen.map((each) => each.name)
    const meant = closest(name, names)
    const hint = meant === undefined ? `it has ${names.join(', ')}` : `did you mean "${meant}"?`
    io.err(`Cannot explain the request: the configuration has no listener "${name}"; ${hint}\n`)
  }
  return found
}

/** All keys are always present. */
const NOTHING = {
  listener: null,
  problems: [],
  outcome: null,
  route: null,
  upstream: null,
  proxy: null,
  token: null,
  webPageOrigins: [],
  note: null,
  tunnel: null,
  error: null,
  otherRoutes: [],
}

function exitCodeOf({ outcome }: Explanation): number {
  return outcome === 'refused' ? EXIT.failed : EXIT.ok
}

function formatExplanation(explanation: Explanation, paint: Paint): string {
  switch (explanation.outcome) {
    case 'routed': {
      return formatLines(routedLines(explanation, paint), paint)
    }
    case 'passed': {
      const through = explanation.proxy === null ? '' : ` through the proxy ${explanation.proxy}`
      return `${tunnelLine(explanation.tunnel)}  no route matches: "forward: pass" forwards it without a token${through}\n`
    }
    case 'refused': {
      const { error, otherRoutes } = explanation
      const others = otherRoutes.map(({ route, reason }): [string, string] => [
        route,
        escapeControls(reason),
      ])
      return [
        tunnelLine(explanation.tunnel),
        `  ${paint('red', error.code)}: ${escapeControls(error.message)}\n`,
        ...(others.length === 0 ? [] : [`\n  Why no route matches:\n`, formatLines(others, paint)]),
      ].join('')
    }
  }
}

function tunnelLine(tunnel: string | null): string {
  return tunnel === null ? '' : `  a client requests a tunnel: CONNECT ${escapeControls(tunnel)}\n`
}

function routedLines(
  {
    route,
    upstream,
    proxy,
    token,
    webPageOrigins,
    note,
  }: Extract<Explanation, { outcome: 'routed' }>,
  paint: Paint,
): [string, string][] {
  const reasons = [
    route.host === null ? 'any host' : `host ${route.host}`,
    route.path === '/' ? 'any path' : `path ${route.path}`,
    route.methods === null ? 'any method' : `method ${route.methods.join(' or ')}`,
  ]
  const lines: [string, string][] = [
    ['route', `${paint('green', route.name)} (${reasons.join(', ')})`],
    ['upstream', escapeControls(upstream)],
  ]
  if (proxy !== null) lines.push(['proxy', escapeControls(proxy)])
  if (note !== null) lines.push(['note', note])
  const webPages: [string, string] = ['web pages', describeWebPages(webPageOrigins)]
  if (token === null) return [...lines, ['credential', 'none: no token is added'], webPages]
  const { credential, clientId, scopes, audience, resource, header, prefix } = token
  lines.push(
    ['credential', clientId === null ? credential : `${credential}, client "${clientId}"`],
    ['token from', token.tokenFrom],
  )
  if (scopes.length > 0) lines.push(['scopes', scopes.join(' ')])
  if (audience.length > 0) lines.push(['audience', audience.join(' ')])
  if (resource.length > 0) lines.push(['resource', resource.join(' ')])
  lines.push(['header', `${header}: ${[prefix ?? '…', '<token>'].filter(Boolean).join(' ')}`])
  return [...lines, webPages]
}
