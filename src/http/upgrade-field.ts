import { fieldValues } from './field-lines.ts'

/**
 * RFC 9110 section 7.8: whether a 101 response names `upgrade` as a connection option, and only
 * protocols that the request offered.
 */
export function isRequestedUpgrade(fields: readonly string[], offered = ''): boolean {
  const allowed = new Set(membersOf([offered]))
  const chosen = fieldValues(fields, 'upgrade')
  return (
    membersOf(fieldValues(fields, 'connection')).includes('upgrade') &&
    chosen.length > 0 &&
    membersOf(chosen).every((protocol) => allowed.has(protocol))
  )
}

function membersOf(lists: readonly string[]): string[] {
  return lists
    .join()
    .toLowerCase()
    .split(',')
    .map((member) => member.trim())
}
