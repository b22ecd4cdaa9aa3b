import * as z from 'zod'

const logLine = z.looseObject({
  time: z.iso.datetime(),
  level: z.string(),
  message: z.string(),
})

const request = z.object({
  route: z.string().optional(),
  method: z.string(),
  path: z.string(),
  status: z.number(),
  durationMs: z.number(),
  tokenWaitMs: z.number().optional(),
  code: z.string().optional(),
})

/** A shortened line of the sidecar's log: the time of day and the main fields. */
export function shortLogLine(line: string): string {
  const parsed = z.string().transform(parseJson).pipe(logLine).safeParse(line)
  if (!parsed.success) return line
  const { time, level, message, ...fields } = parsed.data
  const at = new Date(time).toLocaleTimeString('en-GB')
  const important = level === 'info' ? '' : `${level.toUpperCase()} `
  const finished = request.safeParse(fields)
  return `${at}  ${important}${finished.success ? requestText(finished.data) : `${message} ${fieldsText(fields)}`}`
}

function requestText(fields: z.output<typeof request>): string {
  const { route = 'no route', method, path, status, durationMs, tokenWaitMs, code } = fields
  const waited =
    tokenWaitMs === undefined ? '' : `, ${Math.round(tokenWaitMs)} ms of it for a token`
  const failure = code === undefined ? '' : ` (${code})`
  return `${method} ${path} → ${status}${failure} in ${Math.round(durationMs)} ms${waited}  [${route}]`
}

function fieldsText(fields: Readonly<Record<string, unknown>>): string {
  return Object.entries(fields)
    .map(([name, value]) => `${name}=${String(value)}`)
    .join(' ')
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined // Not from the sidecar, such as a warning of Node.
  }
}
