import { inspect } from 'node:util'

/** A string that cannot be printed by accident: every rendering but `reveal()` is `[redacted]`. */
export type Secret = { reveal(): string }

/** Reads a secret anew each time it is needed, so that a rotated one is picked up. */
export type SecretReader = () => Promise<Secret>

const REDACTED = '[redacted]'

export function createSecret(text: string): Secret {
  return Object.freeze({
    reveal: () => text,
    toString: () => REDACTED,
    toJSON: () => REDACTED,
    [inspect.custom]: () => REDACTED,
  })
}
