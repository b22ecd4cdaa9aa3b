/** A member of `Via` (RFC 9110 section 7.6.3): the version in which the message was received, and our name. */
export function viaMember(version: string, pseudonym: string): string {
  return `${version} ${pseudonym}`
}

/** More than one hop with our name is allowed, because a chain may contain the sidecars of two applications. */
const MAX_VIA_HOPS = 8

/** Whether `via` names us so often that the request must be in a forwarding loop. */
export function isLoop(via: string, pseudonym: string): boolean {
  let hops = 0
  for (const member of via.split(',')) {
    const [, by] = member.trim().split(/[ \t]+/, 2)
    if (by === pseudonym) hops += 1
  }
  return hops >= MAX_VIA_HOPS
}
