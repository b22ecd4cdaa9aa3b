import {
  type sendUnaryData,
  Server,
  ServerCredentials,
  type ServerUnaryCall,
  status,
} from '@grpc/grpc-js'
import { INVENTORY, type StockRequest, type StockResponse } from './inventory-protocol.ts'
import { createTokenVerifier, hasScope, type Refusal } from './token-verifier.ts'

export type InventoryServiceOptions = {
  readonly port: number
  /** Whose tokens are accepted, the keys to verify them with, and the audience they must have. */
  readonly issuer: string
  readonly jwksUri: string
  readonly audience: string
}

export type InventoryService = {
  readonly port: number
  close(): void
}

type Call = ServerUnaryCall<StockRequest, StockResponse>
type Respond = sendUnaryData<StockResponse>

const STOCK: Readonly<Record<string, number>> = { 'garden gnome': 12, 'watering can': 3 }
const SCOPE = 'orders.read'

/** A gRPC service over cleartext HTTP/2 that verifies the token of each call. */
export async function startInventoryService(
  options: InventoryServiceOptions,
): Promise<InventoryService> {
  const verifier = createTokenVerifier({ ...options, realm: 'inventory' })

  const getStock = async ({ metadata, request }: Call, respond: Respond): Promise<void> => {
    const authorization = metadata.get('authorization').map(String)
    const result = await verifier.verify({ headersDistinct: { authorization } })
    if (result.kind === 'refused') respond(errorFor(result))
    else if (!hasScope(result.claims, SCOPE)) respond(errorFor(verifier.insufficient(SCOPE)))
    else respond(null, { item: request.item, inStock: STOCK[request.item] ?? 0 })
  }

  const server = new Server()
  server.addService(INVENTORY, {
    getStock: (call: Call, respond: Respond): void => void getStock(call, respond),
  })
  const port = await bind(server, options.port)
  return { port, close: () => server.forceShutdown() }
}

async function bind(server: Server, port: number): Promise<number> {
  return await new Promise((resolve, reject) => {
    server.bindAsync(
      `127.0.0.1:${port}`,
      ServerCredentials.createInsecure(),
      (error, boundPort) => {
        if (error === null) resolve(boundPort)
        // grpc-js keeps the error code in the message only.
        else if (!error.message.includes('EADDRINUSE')) reject(error)
        else reject(Object.assign(error, { code: 'EADDRINUSE' }))
      },
    )
  })
}

const CODES = {
  400: status.INVALID_ARGUMENT,
  401: status.UNAUTHENTICATED,
  403: status.PERMISSION_DENIED,
  503: status.UNAVAILABLE,
} as const

function errorFor({ status: httpStatus, challenge }: Refusal): Error & { code: status } {
  return Object.assign(new Error(challenge ?? 'no keys to verify the token'), {
    code: CODES[httpStatus],
  })
}
