import type { RequestFieldPolicy } from './request-fields.ts'

/**
 * W3C Trace Context section 3.2: the upstream's work belongs to ours. What others along the way noted
 * in `tracestate` stays if it is still their trace. A route that removes or sets the header has the
 * last word.
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
