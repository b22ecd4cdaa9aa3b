type Reply = {
  readonly status: number
  /** As in the status line: `401 Unauthorized`. */
  readonly statusLine: string
  readonly headers: Headers
  readonly body: string
}

export type Application = {
  get(url: string): Promise<Reply>
}

/** An application that knows nothing about OAuth: it sends plain HTTP and no `Authorization`. */
export function createApplication({ signal }: { readonly signal: AbortSignal }): Application {
  return {
    async get(url) {
      const response = await fetch(url, { signal })
      const { status, statusText, headers } = response
      return {
        status,
        statusLine: `${status} ${statusText}`,
        headers,
        body: await response.text(),
      }
    },
  }
}
