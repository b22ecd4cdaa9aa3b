import { createHash } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { buffer } from 'node:stream/consumers'
import * as z from 'zod'

/** The description of a received request that the upstream sends to the probe. */
export const receivedSchema = z.object({
  method: z.string(),
  authorization: z.array(z.string()),
  fields: z.array(z.string()),
  bodyBytes: z.number(),
  bodyDigest: z.string(),
})

export async function describeRequest(req: IncomingMessage, res: ServerResponse): Promise<void> {
  const description = describeReceived({
    method: req.method ?? '',
    authorization: req.headersDistinct['authorization'] ?? [],
    headers: req.headers,
    body: await buffer(req),
  })
  res.setHeader('content-type', 'application/json')
  res.end(JSON.stringify(description))
}

export function describeReceived({
  method,
  authorization,
  headers,
  body,
}: {
  readonly method: string
  readonly authorization: string[]
  readonly headers: object
  readonly body: Buffer
}): z.output<typeof receivedSchema> {
  return {
    method,
    authorization,
    fields: Object.keys(headers),
    bodyBytes: body.length,
    bodyDigest: digestOf(body),
  }
}

export function digestOf(body: Buffer): string {
  return createHash('sha256').update(body).digest('hex')
}
