import { Agent, fetch } from 'undici'

type Sent = {
  readonly method?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly json?: unknown
  readonly form?: Readonly<Record<string, string>>
}

type Received = {
  readonly status: number
  readonly headers: { get(name: string): string | null }
  /** Parsed if it is JSON, else the text. */
  readonly body: unknown
}

/** The HTTP client of the test runner, which trusts certificates that `ca` has issued. */
export type HttpClient = {
  send(url: string, sent?: Sent): Promise<Received>
  /** The body of a response with status 2xx. */
  expect(url: string, sent?: Sent): Promise<unknown>
  /** Waits until the URL responds with 2xx. Rejects when `failed` does. */
  untilReady(url: string, failed: Promise<never>, deadlineMs: number): Promise<void>
  close(): Promise<void>
}

export function createHttpClient(ca: string): HttpClient {
  const dispatcher = new Agent({ connect: { ca }, headersTimeout: 20_000, bodyTimeout: 20_000 })
  const send = async (url: string, sent: Sent = {}): Promise<Received> => {
    const { method = 'GET', headers = {}, json, form } = sent
    const response = await fetch(url, {
      method,
      dispatcher,
      redirect: 'manual',
      headers: { ...headers, ...(json !== undefined && { 'content-type': 'application/json' }) },
      ...(json !== undefined && { body: JSON.stringify(json) }),
      ...(form !== undefined && { body: new URLSearchParams(form) }),
    })
    const text = await response.text()
    return { status: response.status, headers: response.headers, body: parsed(text) }
  }
  const isReady = async (url: string): Promise<boolean> => {
    try {
      const { status } = await send(url)
      return status >= 200 && status < 300
    } catch {
      return false
    }
  }
  return {
    send,
    async expect(url, sent) {
      const { status, body } = await send(url, sent)
      if (status >= 200 && status < 300) return body
      throw new Error(`${sent?.method ?? 'GET'} ${url}: status ${status}: ${JSON.stringify(body)}`)
    },
    async untilReady(url, failed, deadlineMs) {
      const endMs = performance.now() + deadlineMs
      while (!(await isReady(url))) {
        if (performance.now() > endMs) throw new Error(`Cannot reach ${url}: not ready in time`)
        await Promise.race([pause(200), failed])
      }
    },
    close: async () => await dispatcher.destroy(),
  }
}

async function pause(milliseconds: number): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, milliseconds))
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}
