import { composeAuthorizationServer, composeTokenRequest } from '../compose/token-request.ts'
import { composeDpopKey } from '../compose/token-sources.ts'
import type { KeyPath } from '../config/problem.ts'
import { systemClock } from '../lib/clock.ts'
import { closest } from '../lib/closest.ts'
import { describeToken, describeTokenFailure } from './describe-token.ts'
import { formatLines } from './format-lines.ts'
import { EXIT, type Io } from './io.ts'
import { readRunnableConfig } from './read-config.ts'

export type TokenOptions = {
  readonly credential: string
  readonly file: string
  /** Print the token itself, and nothing else. */
  readonly reveal: boolean
}

/** `token`: fetches a token and shows its properties. */
export async function token(
  { credential: name, file, reveal }: TokenOptions,
  io: Io,
): Promise<number> {
  // Secrets of other credentials need not be readable.
  const isOfCredential = ([kind, credential]: KeyPath) =>
    kind === 'credentials' && credential === name
  const read = await readRunnableConfig(file, io, isOfCredential)
  if (read === undefined) return EXIT.configInvalid
  const { config, places } = read
  const { credentials } = config
  const credential = Object.hasOwn(credentials, name) ? credentials[name] : undefined
  if (credential === undefined) {
    const meant = closest(name, Object.keys(credentials))
    const hint = meant === undefined ? '' : `; did you mean "${meant}"?`
    io.err(`Cannot get a token for "${name}": the configuration has no such credential${hint}\n`)
    return EXIT.usage
  }

  const dpop = await composeDpopKey(credential, places)
  const server = composeAuthorizationServer(credential, places, dpop, systemClock)
  const request = composeTokenRequest(credential, credential, server, {
    places,
    clock: systemClock,
  })
  try {
    const obtained = await request()
    io.out(
      reveal ? `${obtained.value.reveal()}\n` : `${name}\n${formatLines(describeToken(obtained))}`,
    )
    return EXIT.ok
  } catch (cause) {
    io.err(`${name}\n${formatLines(describeTokenFailure(cause))}`)
    return EXIT.failed
  }
}
