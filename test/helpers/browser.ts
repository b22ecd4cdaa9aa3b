import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core'
import { onTestFinished } from 'vitest'
import { findPrograms } from './tools.ts'

/** The browser of this machine, if it has one. */
export const CHROMIUM = findPrograms('chromium')[0] ?? findPrograms('google-chrome')[0]

export type OpenPage = {
  readonly page: Page
  /** What the browser complained about: faults of scripts, and what the policy forbade. */
  readonly complaints: readonly string[]
  /** Every address that the page asked for. */
  readonly asked: readonly string[]
}

/** A page of its own in a real browser, which is closed when the test is over. */
export async function openPage(
  url: string,
  options: BrowserContextOptions = {},
): Promise<OpenPage> {
  // The machine that tests is a container, where Chromium can't build a sandbox.
  const browser: Browser = await chromium.launch({
    ...(CHROMIUM !== undefined && { executablePath: CHROMIUM }),
    args: ['--no-sandbox'],
  })
  onTestFinished(async () => await browser.close())
  const page = await (await browser.newContext(options)).newPage()
  const complaints: string[] = []
  const asked: string[] = []
  page.on('console', (message) => complaints.push(message.text()))
  page.on('pageerror', ({ message }) => complaints.push(message))
  page.on('request', (request) => asked.push(request.url()))
  await page.goto(url)
  return { page, complaints, asked }
}
