import { createHash } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { buffer } from 'node:stream/consumers'
import * as z from 'zod'

/** What reached the upstream, as it tells the probe. */
export const receivedSchema = z.object({
  method: z.string(),
  authorization: z.array(z.string()),
  fields: z.array(z.string()),
  bodyBytes: z.number(),
  bodyDigest: z.string(),
})

export async function describeRequest(req: IncomingMessage, res: ServerResponse): Promise<void> {
  const body = await buffer(req)
  const description: z.output<typeof receivedSchema> = {
    method: req.method ?? '',
    authorization: req.headersDistinct['authorization'] ?? [],
    fields: Object.keys(req.headers),
    bodyBytes: body.length,
    bodyDigest: digestOf(body),
  }
  res.setHeader('content-type', 'application/json')
  res.end(JSON.stringify(description))
}

export function digestOf(body: Buffer): string {
  return createHash('sha256').update(body).digest('hex')
}
