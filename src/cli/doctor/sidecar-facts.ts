import * as z from 'zod'
import type { SidecarFacts } from './facts.ts'

/** The part of `/status` that is needed; another version of the sidecar may have less. */
const statusDocument = z.object({
  ready: z.boolean(),
  reasons: z.array(z.string()),
  interception: z
    .array(
      z.object({
        host: z.string(),
        handshakes: z.record(z.string(), z.number()),
        lastFailure: z.object({ reason: z.string() }).optional(),
      }),
    )
    .default([]),
  failures: z
    .array(z.object({ code: z.string(), reason: z.string(), advice: z.string() }))
    .default([]),
})

/** From the documents `/status` and `/metrics` of a sidecar; undefined if another program has written them. */
export function sidecarFacts(status: string, metrics: string): SidecarFacts | undefined {
  const document = statusDocument.safeParse(parsedJson(status))
  if (!document.success) return undefined
  const { interception, ...rest } = document.data
  let requests = 0
  const rejected: Record<string, number> = {}
  for (const { name, labels, value } of parseSamples(metrics)) {
    if (name === 'token_sidecar_requests_total') requests += value
    if (name === 'token_sidecar_rejected_connections_total')
      rejected[labels['reason'] ?? ''] = value
  }
  return {
    ...rest,
    requests,
    interception: interception.map(({ host, handshakes, lastFailure }) => ({
      host,
      handshakes,
      reason: lastFailure?.reason,
    })),
    rejected,
  }
}

function parsedJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

type Sample = {
  readonly name: string
  readonly labels: Readonly<Record<string, string>>
  readonly value: number
}

/** The exposition format of Prometheus, without escapes in label values. */
function parseSamples(text: string): Sample[] {
  return [...text.matchAll(/^(?<name>\w+)(?:\{(?<labels>[^}]*)\})? (?<value>\S+)/gm)].map(
    ({ groups: { name = '', labels = '', value = '' } = {} }) => ({
      name,
      labels: Object.fromEntries(
        [...labels.matchAll(/(\w+)="([^"]*)"/g)].map(([, key = '', label = '']) => [key, label]),
      ),
      value: Number(value),
    }),
  )
}
