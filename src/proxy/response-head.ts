import { isField } from './field-lines.ts'

export type ResponseHead = {
  readonly status: number
  /** The reason phrase as it goes out, one character for each byte. */
  readonly phrase: string
  /** Names and values, alternating. */
  readonly fields: readonly string[]
  /** The length that is announced; NaN where there is none. */
  readonly length: number
}

/**
 * Transfer codings that leave the body in a form that nobody behind us could tell, because their
 * label ends here (RFC 9112 section 7). What no standard knows is taken for a label without meaning.
 */
const STILL_CODED = /gzip|deflate|compress|chunked.*chunked/

/** Undefined for what is no response that could be passed on. */
export function readResponseHead(
  status: number,
  reason: string,
  fields: readonly string[],
): ResponseHead | undefined {
  let length = Number.NaN
  let codings = ''
  for (let i = 0; i < fields.length; i += 2) {
    const name = fields[i] ?? ''
    if (isField(name, 'content-length')) length = Number(fields[i + 1])
    else if (isField(name, 'transfer-encoding')) codings += `${fields[i + 1]?.toLowerCase()},`
  }
  const phrase = reasonPhrase(reason)
  if (status < 100 || phrase === undefined) return undefined
  if (codings !== '' && STILL_CODED.test(codings)) return undefined
  return { status, phrase, fields, length }
}

/**
 * Empty where undici, which reads UTF-8, could not tell the bytes; undefined for what is no phrase
 * (RFC 9112 section 4).
 */
function reasonPhrase(text: string): string | undefined {
  if (text === 'OK' || /^[\t -~]*$/.test(text)) return text
  // oxlint-disable-next-line no-control-regex -- they are what is looked for
  if (/[\0-\x08\x0a-\x1f\x7f]/.test(text)) return undefined
  return text.includes('\uFFFD') ? '' : Buffer.from(text).toString('latin1')
}
