import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { connect as connectTls } from 'node:tls'
import axe from 'axe-core'
import { describe, expect, test } from 'vitest'
import { CHROMIUM, openPage } from '../helpers/browser.ts'
import { openTunnelTo } from '../helpers/interception.ts'
import { startServer } from '../helpers/servers.ts'
import { type RunningProgram, startProgramAt, temporaryDirectory } from '../helpers/sidecar.ts'
import { sendToken, startTokenEndpoint } from '../helpers/token-endpoint.ts'
import { MAY_SKIP } from '../helpers/tools.ts'
import { until } from '../helpers/wait.ts'

/** Part of the name of the configuration file, which the page shows for an invalid configuration. */
const MARKUP = '<img src=x onerror=alert(1)>'
const CANARY = 'canary0secret'

type Rejected = RunningProgram & {
  readonly file: string
  /** Makes the authorization server accept the rejected credential. */
  readonly acceptCredential: () => void
}

/** A program with an accepted and a rejected credential, each with routes. */
async function startWithRejectedCredential(): Promise<Rejected> {
  let isAccepted = false
  const endpoint = await startTokenEndpoint(({ body }, res) => {
    if (body.includes('client_id=refused') && !isAccepted) {
      res.writeHead(400, { 'content-type': 'application/json' })
      res.end(JSON.stringify({ error: 'invalid_scope', error_description: CANARY }))
    } else sendToken(res, { access_token: `${CANARY}-token` })
  })
  const upstream = await startServer((_req, res) => void res.end('ok'))
  const credential = (name: string): string =>
    `  ${name}: { tokenEndpoint: '${endpoint.url}', clientId: ${name}, auth: { method: client_secret_post, clientSecret: { env: SECRET } } }`
  const file = join(await temporaryDirectory(), `${MARKUP}.yaml`)
  await writeFile(
    file,
    `listen: 127.0.0.1:0
admin: 127.0.0.1:0
credentials:
${credential('accepted')}
${credential('refused')}
routes:
  - { name: orders, match: { path: /orders }, upstream: '${upstream}', credential: accepted }
  - { name: invoices, match: { path: /invoices }, upstream: '${upstream}', credential: accepted }
  - { name: ledger, match: { path: /ledger }, upstream: '${upstream}', credential: refused }
`,
  )
  const program = await startProgramAt(file, { SECRET: CANARY })
  for (const path of ['/orders/1', '/ledger/1', `/nowhere/${CANARY}?q=${CANARY}`]) {
    await (await fetch(program.proxyUrl + path)).text()
  }
  return { ...program, file, acceptCredential: () => (isAccepted = true) }
}

function encoded(value: unknown): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url')
}

/** A JWT whose claims contain markup, and an API that rejects it; many other routes are not used. */
async function startWithRejectingApi(): Promise<RunningProgram> {
  const endpoint = await startTokenEndpoint((_request, res) => {
    const claims = { iss: MARKUP, aud: 'https://orders.example.com', exp: 4_000_000_000 }
    const jwt = `${encoded({ alg: 'none' })}.${encoded(claims)}.${CANARY}`
    sendToken(res, { access_token: jwt, scope: 'orders.read' })
  })
  const rejecting = await startServer((_req, res) => void res.writeHead(401).end())
  const accepting = await startServer((_req, res) => void res.end('ok'))
  const file = join(await temporaryDirectory(), 'token-sidecar.yaml')
  const others = Array.from(
    { length: 199 },
    (_, i) =>
      `  - { name: service-${i}-of-the-customerInvoicingBackoffice, match: { path: /${i} }, upstream: '${accepting}', credential: corp }`,
  )
  await writeFile(
    file,
    `listen: 127.0.0.1:0
admin: 127.0.0.1:0
credentials:
  corp:
    tokenEndpoint: '${endpoint.url}'
    clientId: legacy-billing
    scopes: [orders.read, orders.write]
    auth: { method: client_secret_post, clientSecret: { env: SECRET } }
routes:
${others.join('\n')}
  - { name: orders, match: { path: /orders }, upstream: '${rejecting}', credential: corp }
`,
  )
  const program = await startProgramAt(file, { SECRET: CANARY })
  for (const path of ['/orders', '/7']) await (await fetch(program.proxyUrl + path)).text()
  return program
}

/** Interception of three hosts; an application sends no server name to the first one, and another one succeeds at the second. */
async function startWithFailingHandshakes(): Promise<RunningProgram> {
  const upstream = await startServer((_req, res) => void res.end('ok'))
  const directory = await temporaryDirectory()
  const file = join(directory, 'token-sidecar.yaml')
  const hosts = ['api.partner.example', 'good.partner.example', '*.unused.partner.example']
  await writeFile(
    file,
    `listen: 127.0.0.1:0
admin: 127.0.0.1:0
intercept: { ca: { directory: '${join(directory, 'ca')}' } }
routes:
${hosts.map((host, index) => `  - { name: route-${index}, match: { host: '${host}' }, upstream: '${upstream}', credential: none }`).join('\n')}
`,
  )
  const program = await startProgramAt(file)
  for (const [target = '', servername = ''] of [hosts.slice(0, 1), [hosts[1], hosts[1]]]) {
    const socket = connectTls({
      socket: await openTunnelTo(program.proxyUrl, `${target}:443`),
      servername,
      rejectUnauthorized: false,
    })
    socket.on('error', () => {})
    socket.write(`GET / HTTP/1.1\r\nHost: ${target}\r\n\r\n`)
    await new Promise((resolve) => socket.once('data', resolve).once('close', resolve))
  }
  return program
}

/** The words of the page that a line break splits. */
const BROKEN_WORDS = `[...document.querySelectorAll('main *')].flatMap((element) =>
  [...element.childNodes]
    .filter((node) => node.nodeType === Node.TEXT_NODE)
    .flatMap((node) =>
      [...node.data.matchAll(/[A-Za-z0-9]+/g)].filter(({ 0: word, index }) => {
        const range = document.createRange()
        range.setStart(node, index)
        range.setEnd(node, index + word.length)
        return new Set([...range.getClientRects()].map(({ top }) => Math.round(top))).size > 1
      }).map(([word]) => word),
    ),
)`

const VARIANTS = [
  ...[320, 375, 768, 1280, 1440].flatMap((width) =>
    (['light', 'dark'] as const).map((colorScheme) => ({
      width,
      colorScheme,
      name: width === 375 || width === 1440 ? ('rejecting' as const) : ('refused' as const),
    })),
  ),
  { width: 320, colorScheme: 'light' as const, name: 'intercepting' as const },
  { width: 1280, colorScheme: 'dark' as const, name: 'intercepting' as const },
]

const START = {
  refused: startWithRejectedCredential,
  rejecting: startWithRejectingApi,
  intercepting: startWithFailingHandshakes,
}

describe.skipIf(CHROMIUM === undefined && MAY_SKIP)(
  'in a browser (skipped without Chromium)',
  () => {
    test('the page shows problems first, each with advice', async () => {
      const program = await startWithRejectedCredential()
      const { page, consoleMessages, requestedUrls } = await openPage(`${program.adminUrl}/`)
      await page.getByRole('heading', { name: 'Not ready' }).waitFor()
      expect(await page.title()).toBe('Not ready – token-sidecar')

      const tokens = page.getByRole('table', { name: /^The cached tokens/ })
      // Problems come first.
      const refused = tokens.getByRole('row').nth(1)
      const text = await refused.innerText()
      expect(text).toContain('refused')
      expect(text).toContain('Not available: requests that need it fail')
      expect(text).toContain('compare "scopes" with the registration')
      expect(text).toMatch(/Next attempt in (?:\d+ min )?\d+ s/)
      expect(text).toContain('A change of the secret, key or configuration is tried at once')
      const accepted = tokens.getByRole('row').nth(2)
      expect(await accepted.innerText()).toContain('Usable')
      const meter = accepted.getByRole('meter')
      expect(await meter.getAttribute('aria-valuetext')).toMatch(/^in (?:5 min 0|4 min \d+) s$/)

      const failures = await page
        .getByRole('table', { name: /^Requests that the sidecar/ })
        .innerText()
      expect(failures).toContain('no route matches its host, path and method')
      expect(failures).toContain('token_rejected')
      const routes = page.getByRole('table', { name: /^Values are for/ })
      expect(await routes.getByRole('row').nth(1).innerText()).toMatch(
        /^ledger[^]*is not available/,
      )
      expect(await page.content()).not.toContain(CANARY)
      expect(consoleMessages).toEqual([])
      expect(
        requestedUrls.filter(
          (url) => !url.startsWith(program.adminUrl) && !url.startsWith('data:'),
        ),
      ).toEqual([])
    })

    test('the page updates itself, and reports when the sidecar stops responding', async () => {
      const program = await startWithRejectedCredential()
      const { page, consoleMessages } = await openPage(`${program.adminUrl}/`)
      await page.getByRole('heading', { name: 'Not ready' }).waitFor()
      const meter = page.getByRole('meter').first()
      const before = await meter.getAttribute('aria-valuetext')
      await until(async () => (await meter.getAttribute('aria-valuetext')) !== before)

      const good = await readFile(program.file, 'utf8')
      await writeFile(program.file, `${good}typo: 1\n`)
      // Markup is shown as text.
      await page.getByText(`${MARKUP}.yaml`).filter({ hasText: 'unknown key "typo"' }).waitFor()
      expect(await page.locator('img').count()).toBe(0)
      program.acceptCredential()
      // A changed client gets a new token at once.
      await writeFile(program.file, good.replace('clientId: refused', 'clientId: corrected'))
      await page.getByRole('heading', { name: 'Ready', exact: true }).waitFor()
      // The sampling interval is ten seconds.
      await page
        .getByRole('img', { name: /^Requests per second, .* from 0/ })
        .first()
        .waitFor()
      expect(consoleMessages).toEqual([])

      await program.stop()
      await page.getByRole('heading', { name: 'No response' }).waitFor()
      expect(await page.getByText('has not responded since').count()).toBe(1)
    })

    test('skip link, navigation and filter work with the keyboard', async () => {
      const program = await startWithRejectedCredential()
      const { page } = await openPage(`${program.adminUrl}/`)
      await page.getByRole('heading', { name: 'Not ready' }).waitFor()
      const focused = async (): Promise<string> => await page.locator(':focus').innerText()
      await page.keyboard.press('Tab')
      expect(await focused()).toBe('Skip to the content')
      await page.keyboard.press('Enter')
      await page.keyboard.press('Tab')
      expect(await focused()).toBe('Tokens')
      await page.keyboard.press('Tab')
      await page.keyboard.press('Tab')
      expect(await focused()).toBe('Routes')
      await page.keyboard.press('Tab')
      expect(await focused()).toBe('Protocols')
      await page.keyboard.press('Tab')
      await page.keyboard.type('ledger')
      const routes = page.getByRole('table', { name: /^Values are for/ }).getByRole('row')
      await until(async () => (await routes.count()) === 2)
      expect(await page.getByText('1 of 3 routes match').count()).toBe(1)
      await page.keyboard.press('Escape')
      await until(async () => (await routes.count()) === 4)
    })

    test.for(VARIANTS)(
      'at $width pixels, in $colorScheme mode, the page fits and has no accessibility violation ($name)',
      async ({ width, colorScheme, name }) => {
        const program = await START[name]()
        const { page, consoleMessages } = await openPage(`${program.adminUrl}/`, {
          viewport: { width, height: 800 },
          colorScheme,
          // The Content-Security-Policy of the page forbids the injected checker.
          bypassCSP: true,
        })
        const heading = name === 'refused' ? 'Not ready' : /^Ready, (?:but|with)/
        await page.getByRole('heading', { name: heading }).waitFor()
        expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(width)
        expect(await page.evaluate(BROKEN_WORDS)).toEqual([])
        const dark = await page.evaluate('getComputedStyle(document.body).backgroundColor')
        expect(dark).toBe(colorScheme === 'dark' ? 'rgb(20, 23, 27)' : 'rgb(246, 247, 249)')
        await page.evaluate(axe.source)
        const violations = await page.evaluate(
          'axe.run().then(({ violations }) => violations.map(({ id, nodes }) => [id, ...nodes.map(({ html, failureSummary }) => html + failureSummary)]))',
        )
        expect(violations).toEqual([])
        expect(consoleMessages).toEqual([])
      },
    )

    test('an API that rejects every token is the heading of the page, in the state "warning"', async () => {
      const program = await startWithRejectingApi()
      const { page, consoleMessages } = await openPage(`${program.adminUrl}/`)
      await page
        .getByRole('heading', { name: 'Ready, but one API rejects every request' })
        .waitFor()
      expect(await page.locator('html').getAttribute('data-state')).toBe('warning')
      expect(await page.title()).toBe('Ready, but one API rejects every request – token-sidecar')
      const rejected = page.getByRole('table', {
        name: /^Routes whose API responds with 401 or 403/,
      })
      const text = await rejected.getByRole('row').nth(1).innerText()
      expect(text).toContain('Every token rejected, the last with 401')
      expect(text).toContain('A freshly issued token was rejected, too.')
      expect(text).toContain('https://orders.example.com')
      expect(text).toContain('orders.read')
      expect(text).toContain('A new token does not help')
      // Markup of an authorization server is shown as text.
      expect(text).toContain(MARKUP)
      expect(await page.locator('img').count()).toBe(0)
      const tokens = await page.getByRole('table', { name: /^The cached tokens/ }).innerText()
      expect(tokens).toContain('Usable, with fewer scopes than requested')
      expect(tokens).toContain('legacy-billing')
      expect(tokens).toMatch(/Not granted\s+orders\.write/)
      const routes = page.getByRole('table', { name: /^Values are for/ })
      expect(await routes.getByRole('row').nth(1).innerText()).toMatch(
        /^orders[^]*Every token rejected: 401/,
      )
      expect(await page.content()).not.toContain(CANARY)
      expect(consoleMessages).toEqual([])
    })

    test('failed TLS handshakes of an intercepted host are shown with their reason and advice', async () => {
      const program = await startWithFailingHandshakes()
      const { page, consoleMessages } = await openPage(`${program.adminUrl}/`)
      await page.getByRole('heading', { name: 'Ready, with warnings' }).waitFor()
      const table = page.getByRole('table', { name: /^TLS handshakes with applications/ })
      const failing = await table.getByRole('row').nth(1).innerText()
      expect(failing).toContain('api.partner.example')
      expect(failing).toContain('1 no_sni')
      expect(failing).toContain('the client sent no server name (SNI)')
      expect(failing).toContain('have it send the server name')
      expect(await table.getByRole('row').nth(2).innerText()).toMatch(
        /good\.partner\.example\s+1[^]*the last[^]*0[^]*None/,
      )
      expect(await table.getByRole('row').nth(3).innerText()).toContain('*.unused.partner.example')
      expect(consoleMessages).toEqual([])
    })

    test('tables can be sorted by column headers or a list, and filtered for problems', async () => {
      const program = await startWithRejectingApi()
      const { page } = await openPage(`${program.adminUrl}/`, {
        viewport: { width: 1280, height: 800 },
      })
      const routes = page.getByRole('table', { name: /^Values are for/ })
      const rows = routes.getByRole('row')
      const first = async (): Promise<string> => await rows.nth(1).innerText()
      await page.getByRole('heading', { name: /^Ready, but/ }).waitFor()
      await until(async () => (await first()).startsWith('orders'))
      const header = routes.getByRole('columnheader', { name: 'Route' })
      await header.getByRole('button').focus()
      await page.keyboard.press('Enter')
      expect(await header.getAttribute('aria-sort')).toBe('ascending')
      // Numbers in names are compared as numbers.
      expect(await rows.nth(12).innerText()).toMatch(/^service-10-/)
      await page.keyboard.press('Enter')
      expect(await header.getAttribute('aria-sort')).toBe('descending')
      expect(await first()).toMatch(/^service-198-/)
      await page.keyboard.press('Enter')
      expect(await header.getAttribute('aria-sort')).toBe('none')
      expect(await first()).toMatch(/^orders/)
      const list = routes.locator('xpath=..').getByLabel('Sort by')
      await list.selectOption('Requests')
      await until(async () => (await rows.nth(3).innerText()).startsWith('service-0-'))
      await list.selectOption('Problems first')
      await page.getByLabel('Problems only').focus()
      await page.keyboard.press('Space')
      await until(async () => (await rows.count()) === 2)
      expect(await page.getByText('1 of 200 routes match').count()).toBe(1)
    })

    test('each chart has a scale with a unit, and a time axis', async () => {
      const program = await startWithRejectingApi()
      const { page } = await openPage(`${program.adminUrl}/`, {
        viewport: { width: 1280, height: 800 },
      })
      const plot = page.locator('#route-rows tr').first().locator('.plot:not([hidden])')
      await plot.first().waitFor()
      const axes = await plot.evaluateAll((plots) =>
        plots.map((each) => [...each.querySelectorAll('.axis')].map((axis) => axis.textContent)),
      )
      expect(axes).toEqual([
        [expect.stringMatching(/^[\d.]+\/s$/), '0', '−10 min', 'now'],
        [expect.stringMatching(/^[\d.]+ m?s$/), '0', '−10 min', 'now'],
        ['100%', '0', '−10 min', 'now'],
      ])
    })

    test('without JavaScript, the page links to /status', async () => {
      const program = await startWithRejectedCredential()
      const { page } = await openPage(`${program.adminUrl}/`, { javaScriptEnabled: false })
      expect(await page.locator('body').innerText()).toContain('needs JavaScript')
      expect(await page.locator('noscript a').first().getAttribute('href')).toBe('/status')
    })
  },
)
