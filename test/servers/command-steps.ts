import type { RunningServer } from './authorization-server.ts'
import { checkLive, revealToken } from './sidecar-process.ts'
import { credentialName, type TestedClient } from './tested-client.ts'

export async function adviseOnWrongCredentials(
  each: TestedClient,
  file: string,
): Promise<{ note?: string }> {
  const { tokens } = await checkLive(file)
  const error = tokens[0]?.error
  if (error === undefined || error === null) throw new Error('wrong credentials were accepted')
  const reported = codeIn(error.message)
  const wanted = EXPECTED_ADVICE[each.case.method]
  const advice = error.advice ?? ''
  if (error.code !== 'token_rejected') throw new Error(`${error.code}: ${error.message}`)
  if (!wanted.test(advice)) {
    throw new Error(`${reported}, advice: ${advice === '' ? 'none' : `“${advice}”`}`)
  }
  return { note: reported }
}

/** The error code of RFC 6749 section 5.2 in a message, else the status, else the whole message. */
function codeIn(message: string): string {
  const code = /\b(?:invalid|unauthorized|unsupported|access)_[a-z_]+/.exec(message)?.[0]
  if (code !== undefined) return `\`${code}\``
  return /\bstatus \d+/.exec(message)?.[0] ?? message
}

/** What the advice must mention. */
const EXPECTED_ADVICE = {
  client_secret_basic: /secret/,
  client_secret_post: /secret/,
  client_secret_jwt: /\bsecret\b.*auth\.audience.*\btyp\b/,
  private_key_jwt: /\bkey\b.*auth\.audience.*\btyp\b/,
  client_assertion_file: /\bkey\b.*\baud\b.*\btyp\b/,
  tls_client_auth: /\bcertificate\b/,
  self_signed_tls_client_auth: /\bcertificate\b/,
} as const

export async function tryUnknownScope(file: string): Promise<string> {
  const { tokens } = await checkLive(file)
  const [first] = tokens
  if (first?.error) return `rejected: ${codeIn(first.error.message)}`
  const granted = first?.obtained?.granted
  return granted === undefined || granted === null
    ? 'a token, scopes not reported'
    : `a token with \`${granted}\``
}

export async function tryAudience(
  file: string,
  subject: TestedClient,
  running: RunningServer,
): Promise<string> {
  const token = await revealToken(file, credentialName(subject))
  if (token === undefined) return 'rejected'
  const { audience } = await running.verify(token)
  return audience.length === 0 ? 'none' : audience.map((one) => `\`${one}\``).join(', ')
}
