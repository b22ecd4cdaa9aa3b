import * as fc from 'fast-check'

/** A header field: its name and its value. */
export type Field = readonly [string, string]

/** Connection-specific fields of RFC 9110 section 7.6.1, and obsolete ones. */
export const HOP_BY_HOP: readonly string[] = [
  'connection',
  // RFC 7540 section 3.2.1.
  'http2-settings',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]

/** Fields that are forwarded even if Connection lists them. */
const PROTECTED = ['host', 'content-length', 'content-type']

const TOKEN = "!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

const knownName = fc
  .constantFrom(
    ...HOP_BY_HOP,
    ...PROTECTED,
    'authorization',
    'x-access-token',
    'cookie',
    'expect',
    'x-added',
    'x-removed',
    'x-a',
    'x-b',
  )
  .chain((name) => fc.mixedCase(fc.constant(name)))
const anyName = fc.string({
  unit: fc.constantFrom(...TOKEN.split('')),
  minLength: 1,
  maxLength: 12,
})
const fieldName = fc.oneof({ weight: 5, arbitrary: knownName }, { weight: 1, arbitrary: anyName })

/** Values that a parser accepts: visible characters, inner whitespace, obs-text. */
const fieldValue = fc
  .string({ unit: fc.constantFrom(...`${TOKEN} \t,;="\x80\xe9\xff`.split('')), maxLength: 12 })
  .map(trimBlanks)

/** A list with everything that RFC 9110 section 5.6.1 allows: empty members, whitespace around commas. */
const connectionValue = fc
  .array(fc.tuple(fc.constantFrom('', ' ', '\t', ', ,'), fc.option(fieldName, { nil: 'close' })))
  .map((members) => members.map(([before, name]) => before + name).join(','))

/** The fields of a message, many of them listed in its Connection. */
export const fields: fc.Arbitrary<Field[]> = fc.array(
  fc.oneof(
    { weight: 4, arbitrary: fc.tuple(fieldName, fieldValue) },
    {
      weight: 1,
      arbitrary: fc.tuple(fc.mixedCase(fc.constant('connection')), connectionValue),
    },
  ),
  { maxLength: 12 },
)

/** Names and values alternate, as in `rawHeaders`. */
export function flat(list: readonly Field[]): string[] {
  return list.flat()
}

export function pairs(raw: readonly string[]): Field[] {
  return raw.flatMap((name, index) => (index % 2 === 0 ? [[name, raw[index + 1] ?? '']] : []))
}

export function isNamed([name]: Field, ...names: readonly string[]): boolean {
  return names.includes(name.toLowerCase())
}

/** Whether a field is hop-by-hop (RFC 9110 section 7.6.1). */
export function endsHere(field: Field, all: readonly Field[]): boolean {
  const listed = all
    .filter((each) => isNamed(each, 'connection'))
    .flatMap(([, value]) => value.split(',').map(trimBlanks))
    .map((name) => name.toLowerCase())
  return (
    isNamed(field, ...HOP_BY_HOP) || (isNamed(field, ...listed) && !isNamed(field, ...PROTECTED))
  )
}

function trimBlanks(text: string): string {
  return text.replaceAll(/^[ \t]+|[ \t]+$/g, '')
}
