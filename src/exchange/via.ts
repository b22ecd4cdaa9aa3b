/** One member of `Via` (RFC 9110 section 7.6.3): the protocol that the message came with, and who passes it on. */
export function viaLine(version: string, pseudonym: string): string {
  return `${version} ${pseudonym}`
}

/**
 * How often a message may have passed under one name before it is believed to go in a circle. More
 * than once is allowed, because sidecars of two applications may stand in one line.
 */
const MOST_PASSES = 8

/** Whether the message has passed here so often that it must be going in a circle. */
export function goesInCircles(via: string, pseudonym: string): boolean {
  let passes = 0
  for (const member of via.split(',')) {
    const [, by] = member.trim().split(/[ \t]+/, 2)
    if (by === pseudonym) passes += 1
  }
  return passes >= MOST_PASSES
}
