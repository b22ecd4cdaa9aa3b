/** Limits the interim responses (RFC 9110 section 15.2) of one exchange. */
export type InterimLimit = {
  /** Counts one with a head of `bytes`, and returns whether it is within the limit. */
  readonly allows: (bytes: number) => boolean
  /** Begins the next exchange. */
  readonly reset: () => void
}

export const TOO_MANY_INTERIM_RESPONSES = 'it sends too many interim responses'

const MAX_INTERIM_RESPONSES = 64
/** The size of all of them, in multiples of the largest head that is accepted. */
const MAX_INTERIM_HEADS = 4

export function createInterimLimit(maxHeaderBytes: number): InterimLimit {
  let count = 0
  let totalBytes = 0
  return {
    allows(bytes) {
      count += 1
      totalBytes += bytes
      return count <= MAX_INTERIM_RESPONSES && totalBytes <= MAX_INTERIM_HEADS * maxHeaderBytes
    },
    reset() {
      count = 0
      totalBytes = 0
    },
  }
}
