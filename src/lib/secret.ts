import { inspect } from 'node:util'

/** A string that is not printed by accident: every conversion but `reveal()` yields `[redacted]`. */
export type Secret = { reveal(): string }

/** Reads the secret on every call, so that a rotated one is used. */
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
