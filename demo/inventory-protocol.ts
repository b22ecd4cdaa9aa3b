import * as z from 'zod'

const request = z.object({ item: z.string() })
const response = z.object({ item: z.string(), inStock: z.number() })

export type StockRequest = z.output<typeof request>
export type StockResponse = z.output<typeof response>

/** The gRPC service of the demo, with messages in JSON instead of Protocol Buffers. */
export const INVENTORY = {
  getStock: {
    path: '/inventory.v1.Inventory/GetStock',
    requestStream: false,
    responseStream: false,
    requestSerialize: (message: StockRequest) => Buffer.from(JSON.stringify(message)),
    requestDeserialize: (octets: Buffer) => request.parse(JSON.parse(octets.toString())),
    responseSerialize: (message: StockResponse) => Buffer.from(JSON.stringify(message)),
    responseDeserialize: (octets: Buffer) => response.parse(JSON.parse(octets.toString())),
  },
} as const
