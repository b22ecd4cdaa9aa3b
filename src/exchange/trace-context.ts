import type { RequestFieldPolicy } from './request-fields.ts'

/**
 * Replaces `traceparent` so that the span of the upstream is a child of ours (W3C Trace Context section
 * 3.2). `tracestate` is kept if the trace is continued. A route that removes or sets `traceparent` takes
 * precedence.
 */
export function withTraceContext(
  headers: readonly string[],
  traceparent: string,
  isContinued: boolean,
  { dropped }: Pick<RequestFieldPolicy, 'dropped'>,
): string[] {
  if (dropped.has('traceparent')) return [...headers]
  const context: string[] = []
  for (let i = 0; i < headers.length; i += 2) {
    const name = headers[i] ?? ''
    const key = name.toLowerCase()
    if (key === 'traceparent' || (key === 'tracestate' && !isContinued)) continue
    context.push(name, headers[i + 1] ?? '')
  }
  context.push('traceparent', traceparent)
  return context
}
