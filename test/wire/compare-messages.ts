import { nameOf, type Reading, type ReadMessage, valueOf, valuesOf } from './read-message.ts'
import type { Message } from './wire-case.ts'

export type Rules = {
  /** Names of fields that are compared only where a case lists them. */
  readonly unchecked: ReadonlySet<string>
  /** The name of the proxy in `Via`, if it is known. */
  readonly proxyName: string | undefined
}

/** The differences between expected and actual messages on one side. */
export function compareMessages(
  what: string,
  expected: readonly Message[],
  actual: readonly ReadMessage[],
  rules: Rules,
  rest: readonly Exclude<Reading, { state: 'complete' }>[] = [],
): string[] {
  const faults: string[] = []
  const complete = expected.filter(({ isTruncated }) => isTruncated !== true)
  const truncated = expected.find((message) => message.isTruncated === true)
  if (actual.length !== complete.length) {
    const got = actual.map(({ line, body }) => JSON.stringify(`${line} … ${body.slice(0, 200)}`))
    faults.push(
      `${what}: ${actual.length} messages instead of ${complete.length}: ${got.join('; ')}`,
    )
  }
  for (const [i, message] of complete.entries()) {
    const got = actual[i]
    if (got !== undefined) faults.push(...compareOne(message, got, rules))
  }
  const [unfinished] = rest
  if (truncated === undefined) {
    if (unfinished !== undefined) faults.push(`and ${JSON.stringify(unfinished)}`)
  } else if (unfinished?.state === 'incomplete' && unfinished.message !== undefined) {
    faults.push(...compareOne(truncated, unfinished.message, rules))
  } else faults.push('no truncated message')
  return faults.map((fault) => (fault.startsWith(what) ? fault : `${what}: ${fault}`))
}

function compareOne(expected: Message, actual: ReadMessage, rules: Rules): string[] {
  const faults: string[] = []
  const differ = (part: string, wanted: unknown, got: unknown): void => {
    const [a, b] = [JSON.stringify(wanted), JSON.stringify(got)]
    if (a !== b) faults.push(`${part} ${b} instead of ${a}`)
  }
  differ('line', expected.line, actual.line)
  const wanted = (expected.fields ?? []).map(normal)
  const named = new Set(wanted.map(nameOf))
  const got = actual.fields.filter(
    (field) => !rules.unchecked.has(nameOf(field)) || named.has(nameOf(field)),
  )
  if (expected.comparesExactly === true) differ('fields', wanted, got)
  else differ('fields', meaningOf(wanted), meaningOf(got))
  for (const pattern of expected.forbids ?? []) {
    for (const field of actual.fields)
      if (pattern.test(field)) faults.push(`field ${JSON.stringify(field)}`)
  }
  const { via } = expected
  if (via !== undefined) differ('Via', via, viaOf(actual, via, rules))
  differ('body', expected.body ?? '', actual.body)
  if (expected.framing !== undefined) differ('framing', expected.framing, actual.framing)
  differ('trailers', meaningOf((expected.trailers ?? []).map(normal)), meaningOf(actual.trailers))
  return faults
}

/** A field line in the form that `readMessage` returns. */
function normal(field: string): string {
  return `${field.slice(0, field.indexOf(':'))}: ${valueOf(field)}`
}

/** RFC 9110 section 5.3: order matters only among field lines with the same name. */
function meaningOf(fields: readonly string[]): string[] {
  return fields
    .map((field) => nameOf(field) + field.slice(field.indexOf(':')))
    .toSorted((a, b) => (nameOf(a) < nameOf(b) ? -1 : nameOf(a) > nameOf(b) ? 1 : 0))
}

function viaOf(actual: ReadMessage, wanted: readonly string[], { proxyName }: Rules): string[] {
  const members = valuesOf(actual.fields, 'via').flatMap((value) => value.split(/[\t ]*,[\t ]*/))
  return members.map((member, i) => {
    const [version = '', name] = member.split(' ')
    const isProxy =
      proxyName === undefined ? wanted[i]?.endsWith(' PROXY') === true : name === proxyName
    return isProxy ? `${version} PROXY` : member
  })
}
