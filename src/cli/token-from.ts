import { presetOf } from '../compose/provider-presets.ts'
import type { CredentialConfig } from '../config/credential-schema.ts'

/** Where a credential's tokens come from, as a person knows it. */
export function tokenFrom(credential: CredentialConfig): string {
  // A query may hold a secret.
  const endpoint = credential.tokenEndpoint?.replace(/\?[^]*/, '?…')
  return credential.issuer ?? endpoint ?? presetOf(credential).tokenEndpoint ?? ''
}
