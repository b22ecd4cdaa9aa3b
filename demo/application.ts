import { Client, credentials, status as grpcStatus } from '@grpc/grpc-js'
import { INVENTORY, type StockRequest, type StockResponse } from './inventory-protocol.ts'

type Reply = {
  readonly status: number
  /** As in the status line: `401 Unauthorized`. */
  readonly statusLine: string
  readonly headers: Headers
  readonly body: string
}

/** How a gRPC call ended. */
type CallResult = {
  /** As in `16 UNAUTHENTICATED`. */
  readonly status: string
  readonly response: StockResponse | undefined
}

export type Application = {
  get(url: string): Promise<Reply>
  /** A gRPC call to the service at `url`. */
  getStock(url: string, request: StockRequest): Promise<CallResult>
}

const CALL_DEADLINE_MS = 5_000

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
    async getStock(url, request) {
      const client = new Client(new URL(url).host, credentials.createInsecure())
      const { path, requestSerialize, responseDeserialize } = INVENTORY.getStock
      try {
        return await new Promise((resolve) => {
          client.makeUnaryRequest(
            path,
            requestSerialize,
            responseDeserialize,
            request,
            { deadline: Date.now() + CALL_DEADLINE_MS },
            (error, response) => {
              const code = error?.code ?? grpcStatus.OK
              resolve({ status: `${code} ${grpcStatus[code]}`, response })
            },
          )
        })
      } finally {
        client.close()
      }
    },
  }
}
