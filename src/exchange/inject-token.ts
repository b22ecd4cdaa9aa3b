import type { AccessToken } from '../tokens/access-token.ts'
import type { ExchangeRoundTrip } from './exchange-request.ts'

export type InjectOptions = {
  /** The name of the field that carries the token. */
  readonly name: string
  /** The field value for a token, such as `Bearer …`. */
  readonly valueOf: (token: AccessToken) => string
}

/** Adds the token as the last field, after every rule that depends on fields of the application. */
export function injectToken(
  { name, valueOf }: InjectOptions,
  next: ExchangeRoundTrip,
): ExchangeRoundTrip {
  return (request, signal) => {
    const { token, fields } = request
    if (token === undefined) return next(request, signal)
    return next({ ...request, fields: [...fields, name, valueOf(token)] }, signal)
  }
}
