import { presetOf } from '../compose/provider-presets.ts'
import type { CredentialConfig } from '../config/credential-schema.ts'

/** The issuer of a credential's tokens, or else the token endpoint. */
export function tokenFrom(credential: CredentialConfig): string {
  // The query may contain a secret.
  const endpoint = credential.tokenEndpoint?.replace(/\?[^]*/, '?…')
  return credential.issuer ?? endpoint ?? presetOf(credential).tokenEndpoint ?? ''
}
