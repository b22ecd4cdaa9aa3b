import { once } from 'node:events'
import { relative } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import * as z from 'zod'
import { type Application, createApplication } from './application.ts'
import { parseCommandLine, USAGE } from './command-line.ts'
import { shortLogLine } from './log-line.ts'
import { parseMetricsPage } from './metrics-page.ts'
import { createNarrator, type Narrator } from './narrator.ts'
import { readPorts } from './ports.ts'
import { CONFIG_FILE, setStage, type Stage, TOKEN_LIFETIME_SECONDS } from './stage.ts'
import { StartError } from './start-error.ts'

const BURST = 200
const CALL_INTERVAL_MS = 200

const PICTURE = `
application ──▶ token-sidecar ──▶ orders API
                      │
                      └─ a token from the authorization server, added to each request`

/** Returns the exit code. */
async function main(args: readonly string[]): Promise<number> {
  const commandLine = parseCommandLine(args)
  switch (commandLine.kind) {
    case 'wrong': {
      process.stderr.write(`${commandLine.message}\n\n${USAGE}`)
      return 2
    }
    case 'help': {
      process.stdout.write(USAGE)
      return 0
    }
    case 'run': {
      return await runUntilInterrupted(commandLine)
    }
  }
}

async function runUntilInterrupted({ isOnce }: { readonly isOnce: boolean }): Promise<number> {
  const interruption = new AbortController()
  const interrupt = (): void => interruption.abort()
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, interrupt)
  process.stdout.on('error', interrupt) // The reader has closed the pipe, as `head` does.
  try {
    return await perform(isOnce, interruption.signal)
  } catch (cause) {
    if (interruption.signal.aborted) return isOnce ? 1 : 0
    if (!(cause instanceof StartError)) throw cause
    process.stderr.write(`\n${cause.message}\n`)
    return 1
  }
}

async function perform(isOnce: boolean, signal: AbortSignal): Promise<number> {
  const narrator = createNarrator({
    write: (text) => void process.stdout.write(text),
    isTerminal: process.stdout.isTTY,
  })
  narrator.headline(
    'token-sidecar: access tokens for an application that knows nothing about OAuth',
  )
  narrator.say(PICTURE)

  const stage = await setStage({ ports: readPorts(process.env), env: process.env, signal })
  try {
    await runSteps({ ...stage, narrator, application: createApplication({ signal }), signal })
    return isOnce ? end(stage, narrator) : await keepRunning(stage, narrator, signal)
  } finally {
    await stage.close()
    if (signal.aborted) narrator.say('Everything has stopped.')
  }
}

type Scene = Stage & {
  readonly narrator: Narrator
  readonly application: Application
  readonly signal: AbortSignal
}

/** Runs the steps in order. */
async function runSteps(scene: Scene): Promise<void> {
  const { narrator } = scene
  await narrator.step('Everything is started', () => startsReady(scene))
  await narrator.step('The application calls the API directly, without a token', async () => {
    await isRefusedWithoutToken(scene)
  })
  await narrator.step('The same call through the sidecar', async () => {
    await succeedsThroughSidecar(scene)
  })
  await narrator.step('The claims of the token, as the API saw them', async () => {
    await showsClaims(scene)
  })
  await narrator.step('A gRPC call, first directly and then through the sidecar', async () => {
    await callsGrpc(scene)
  })
  await narrator.step(`${BURST} concurrent calls whose token is not cached yet`, async () => {
    await fetchesOneTokenForMany(scene)
  })
  await narrator.step('Steady calls across the expiry of the token', async () => {
    await renewsBeforeExpiry(scene)
  })
  await narrator.step('The resulting metrics', async () => await countsEverything(scene))
}

function startsReady(scene: Scene): void {
  const { narrator, authorizationServer, api, inventoryUrl, sidecar } = scene
  narrator.say(
    `authorization server  ${authorizationServer.issuer}  oidc-provider; its tokens live ${TOKEN_LIFETIME_SECONDS} s\n` +
      `orders API            ${api.url}  verifies the token of each request\n` +
      `gRPC service          ${inventoryUrl}  verifies the token of each call\n` +
      `sidecar               ${sidecar.proxyUrl}  process ${sidecar.pid}, with ${pathOf(CONFIG_FILE)}`,
  )
  const tokenRequests = authorizationServer.tokenRequests()
  narrator.check(
    `The sidecar is ready: it made ${count(tokenRequests, 'token request')} ahead of the first call`,
    tokenRequests > 0,
  )
}

async function isRefusedWithoutToken({ narrator, application, api }: Scene): Promise<void> {
  const reply = await application.get(`${api.url}/orders`)
  const challenge = reply.headers.get('www-authenticate')
  narrator.quote(
    `GET ${api.url}/orders\n${reply.statusLine}\nWWW-Authenticate: ${String(challenge)}`,
  )
  narrator.check(
    'The API refuses the call with 401 and asks for a bearer token',
    reply.status === 401 && challenge === 'Bearer realm="orders"',
  )
}

async function succeedsThroughSidecar({ narrator, application, sidecar }: Scene): Promise<void> {
  const reply = await application.get(`${sidecar.proxyUrl}/orders`)
  narrator.quote(`GET ${sidecar.proxyUrl}/orders\n${reply.statusLine}\n${reply.body.trimEnd()}`)
  narrator.check(
    'The API answers with 200, and the application sent no token',
    reply.status === 200,
  )
}

const claimsSchema = z.looseObject({
  iss: z.string(),
  aud: z.string(),
  client_id: z.string(),
  scope: z.string(),
  iat: z.number(),
  exp: z.number(),
  jti: z.string(),
})

async function showsClaims({ narrator, application, ...scene }: Scene): Promise<void> {
  const reply = await application.get(`${scene.sidecar.proxyUrl}/whoami`)
  narrator.quote(`GET ${scene.sidecar.proxyUrl}/whoami\n${reply.statusLine}`)
  if (reply.status !== 200) throw new Error(`expected claims, got ${reply.statusLine}`)
  const claims = claimsSchema.parse(JSON.parse(reply.body))
  for (const [name, value] of Object.entries(claims)) {
    const isTime = name === 'iat' || name === 'exp'
    narrator.quote(`${name.padEnd(10)} ${String(value)}${isTime ? ` (${timeOfDay(value)})` : ''}`)
  }
  narrator.check(
    'It is from the authorization server, for this client',
    claims.iss === scene.authorizationServer.issuer && claims.client_id === 'legacy-shop',
  )
  narrator.check(
    `It lives ${TOKEN_LIFETIME_SECONDS} s`,
    claims.exp - claims.iat === TOKEN_LIFETIME_SECONDS,
  )
}

async function callsGrpc(scene: Scene): Promise<void> {
  const { narrator, application, inventoryUrl, sidecar } = scene
  const call = async (url: string) => {
    const { status, response } = await application.getStock(url, { item: 'garden gnome' })
    const { host } = new URL(url)
    narrator.quote(
      `inventory.v1.Inventory/GetStock {"item":"garden gnome"} to ${host}\n` +
        `${status}${response === undefined ? '' : `  ${JSON.stringify(response)}`}`,
    )
    return { status, response }
  }
  const direct = await call(inventoryUrl)
  narrator.check(
    'The gRPC service refuses the call without a token: UNAUTHENTICATED',
    direct.status === '16 UNAUTHENTICATED',
  )
  const proxied = await call(sidecar.proxyUrl)
  narrator.check(
    'The same call through the sidecar succeeds',
    proxied.status === '0 OK' && proxied.response?.inStock === 12,
  )
}

async function fetchesOneTokenForMany(scene: Scene): Promise<void> {
  const { narrator, application, authorizationServer, api, sidecar } = scene
  const tokenRequestsBefore = authorizationServer.tokenRequests()
  const before = api.tally()
  const startedMs = performance.now()
  const replies = await Promise.all(
    Array.from({ length: BURST }, async () => {
      return await application.get(`${sidecar.proxyUrl}/reports/daily`)
    }),
  )
  const tookMs = performance.now() - startedMs
  const answered = replies.filter(({ status }) => status === 200).length
  const tokenRequests = authorizationServer.tokenRequests() - tokenRequestsBefore
  const after = api.tally()

  const { sum } = await readMetrics(scene)
  const waited = sum('token_sidecar_token_wait_seconds_count', { route: 'reports' })
  narrator.quote(`${BURST} × GET ${sidecar.proxyUrl}/reports/daily`)
  narrator.check(
    `${answered} of ${BURST} are answered with 200, within ${Math.round(tookMs)} ms`,
    answered === BURST,
  )
  narrator.check(
    `${waited} of them found no cached token, and caused ${count(tokenRequests, 'token request')}`,
    waited > 1 && tokenRequests === 1,
  )
  const tokens = after.tokens - before.tokens
  narrator.check(
    `The API has seen ${count(tokens, 'token')} in ${count(after.requests - before.requests, 'request')}`,
    tokens === 1 && after.requests - before.requests === BURST,
  )
}

async function renewsBeforeExpiry(scene: Scene): Promise<void> {
  const { narrator, application, api, sidecar, signal } = scene
  const startedMs = Date.now()
  const expiredBefore = api.tally().expired
  const url = `${sidecar.proxyUrl}/whoami`
  narrator.quote(`GET ${url}, 5 times a second, until the current token would have expired`)

  const claims = async () => {
    const reply = await application.get(url)
    return reply.status === 200 ? claimsSchema.parse(JSON.parse(reply.body)) : undefined
  }
  const first = await claims()
  if (first === undefined) throw new Error('expected claims from the first call')
  let current = first
  let calls = 1
  let failed = 0
  let renewals = 0
  let renewedInTime = true
  while (Date.now() < first.exp * 1000 + 1000) {
    const left = Math.round(current.exp - Date.now() / 1000)
    const seconds = Math.round((Date.now() - startedMs) / 1000)
    narrator.progress(
      `${String(seconds).padStart(2)} s: ${count(calls, 'call')}, ${failed} failed; ${nameOf(current)} lives ${left} s more`,
    )
    await sleep(CALL_INTERVAL_MS, undefined, { signal })
    const seen = await claims()
    calls += 1
    if (seen === undefined) failed += 1
    else if (seen.jti !== current.jti) {
      const ageSeconds = Date.now() / 1000 - current.iat
      const spareSeconds = current.exp - Date.now() / 1000
      narrator.say(
        `${nameOf(seen)} replaced ${nameOf(current)} at the age of ${ageSeconds.toFixed(0)} s, ${spareSeconds.toFixed(0)} s before its end`,
      )
      renewals += 1
      renewedInTime &&= spareSeconds > 0 && seen.exp > current.exp
      current = seen
    }
  }

  narrator.check(
    `The sidecar renewed the token ${count(renewals, 'time')}, each time before it expired`,
    renewals > 0 && renewedInTime,
  )
  narrator.check(`${count(calls, 'call')}, ${failed} failed`, failed === 0)
  const expired = api.tally().expired - expiredBefore
  narrator.check(`${expired} calls reached the API with an expired token`, expired === 0)
}

async function countsEverything(scene: Scene): Promise<void> {
  const { narrator, authorizationServer, sidecar, signal } = scene
  // The sidecar counts a token request when it is over, the authorization server when it begins.
  let page = await readMetrics(scene)
  const counted = (): number => page.sum('token_sidecar_token_requests_total')
  for (let tries = 0; counted() !== authorizationServer.tokenRequests() && tries < 20; tries += 1) {
    await sleep(100, undefined, { signal })
    page = await readMetrics(scene)
  }
  const { lines, sum } = page

  narrator.quote(`GET ${sidecar.adminUrl}/metrics, of which`)
  for (const line of lines(
    'token_sidecar_requests_total',
    'token_sidecar_token_wait_seconds_count',
    'token_sidecar_token_requests_total',
    'token_sidecar_token_lifetime_seconds',
    'token_sidecar_token_usable',
  )) {
    narrator.quote(line)
  }
  narrator.check(
    `It counted the burst: ${BURST} requests of the route "reports"`,
    sum('token_sidecar_requests_total', { route: 'reports', status: '2xx' }) >= BURST,
  )
  narrator.check(
    `It counted ${count(counted(), 'token request')}, as the authorization server did, and all went well`,
    counted() === authorizationServer.tokenRequests() &&
      counted() === sum('token_sidecar_token_requests_total', { outcome: 'success' }),
  )
  const unauthorized = sum('token_sidecar_upstream_unauthorized_total')
  const failures = sum('token_sidecar_request_failures_total')
  narrator.check(
    `The API refused ${count(unauthorized, 'token')}, and ${count(failures, 'request')} failed in the sidecar`,
    unauthorized === 0 && failures === 0,
  )
}

function end(stage: Stage, narrator: Narrator): number {
  const allWell = sumUp(narrator)
  narrator.headline('Without --once, the demo keeps running, for you to try')
  narrator.say(suggestions(stage))
  return allWell ? 0 : 1
}

async function keepRunning(stage: Stage, narrator: Narrator, signal: AbortSignal): Promise<number> {
  sumUp(narrator)
  narrator.headline('To try next, in another terminal')
  narrator.say(suggestions(stage))
  narrator.headline('Everything runs until Ctrl-C; what the sidecar logs from here on:')
  // The log is flushed a few times per second; remaining lines belong to the steps above.
  await sleep(400, undefined, { signal })
  stage.sidecar.onLine((line) => narrator.quote(shortLogLine(line)))
  const interrupted = once(signal, 'abort').then(() => undefined)
  const how = await Promise.race([interrupted, stage.sidecar.ended])
  if (how === undefined) return 0
  narrator.headline(`The sidecar ended ${how}.`)
  return 1
}

function sumUp(narrator: Narrator): boolean {
  const failed = narrator.failedSteps()
  narrator.headline(
    failed.length === 0
      ? `All ${narrator.steps()} steps did what they say.`
      : `${failed.length} of ${narrator.steps()} steps did not do what they say:\n${failed.join('\n')}`,
  )
  return failed.length === 0
}

/** Commands to try, ready to be pasted. */
function suggestions({ api, sidecar }: Stage): string {
  const lines = [
    ['no token: 401', `curl -i ${api.url}/orders`],
    ['an invalid token: 401', `curl -i -H 'Authorization: Bearer made.up.token' ${api.url}/orders`],
    ['through the sidecar: 200', `curl -i ${sidecar.proxyUrl}/orders`],
    [
      'an Authorization header of the application is replaced',
      `curl -i -H 'Authorization: Bearer made.up.token' ${sidecar.proxyUrl}/orders`,
    ],
    ['another route, another token', `curl -i ${sidecar.proxyUrl}/reports/daily`],
    ['the token may not do this: 403', `curl -i -X POST ${sidecar.proxyUrl}/orders`],
    ['what the API sees in the token', `curl ${sidecar.proxyUrl}/whoami`],
    ['the state of the sidecar', `curl ${sidecar.adminUrl}/status`],
    ['its metrics', `curl ${sidecar.adminUrl}/metrics`],
  ]
  const text = lines.map(([what, command]) => `${what}\n  ${command}`).join('\n')
  return `${text}\n\nor change ${pathOf(CONFIG_FILE)} and start the demo again`
}

async function readMetrics({ sidecar, signal }: Pick<Scene, 'sidecar' | 'signal'>) {
  const response = await fetch(`${sidecar.adminUrl}/metrics`, { signal })
  return parseMetricsPage(await response.text())
}

function nameOf({ jti }: { readonly jti: string }): string {
  return `token ${jti.slice(0, 6)}…`
}

function timeOfDay(seconds: unknown): string {
  return new Date(Number(seconds) * 1000).toLocaleTimeString('en-GB')
}

function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? '' : 's'}`
}

function pathOf(file: string): string {
  return relative(process.cwd(), file)
}

process.exitCode = await main(process.argv.slice(2))
