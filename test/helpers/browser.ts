import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core'
import { onTestFinished } from 'vitest'
import { findPrograms } from './tools.ts'

/** The path of the installed browser, if there is one. */
export const CHROMIUM = findPrograms('chromium')[0] ?? findPrograms('google-chrome')[0]

export type OpenPage = {
  readonly page: Page
  /** Console messages and page errors, violations of the Content-Security-Policy included. */
  readonly consoleMessages: readonly string[]
  /** The URL of every request of the page. */
  readonly requestedUrls: readonly string[]
}

/** A page in a new browser, which is closed at the end of the test. */
export async function openPage(
  url: string,
  options: BrowserContextOptions = {},
): Promise<OpenPage> {
  // Chromium cannot create a sandbox in most containers.
  const browser: Browser = await chromium.launch({
    ...(CHROMIUM !== undefined && { executablePath: CHROMIUM }),
    args: ['--no-sandbox'],
  })
  onTestFinished(async () => await browser.close())
  const page = await (await browser.newContext(options)).newPage()
  const consoleMessages: string[] = []
  const requestedUrls: string[] = []
  page.on('console', (message) => consoleMessages.push(message.text()))
  page.on('pageerror', ({ message }) => consoleMessages.push(message))
  page.on('request', (request) => requestedUrls.push(request.url()))
  await page.goto(url)
  return { page, consoleMessages, requestedUrls }
}
