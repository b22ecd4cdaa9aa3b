import * as oauth from 'oauth4webapi'
import type { SecretReader } from '../lib/secret.ts'

/** How the client proves who it is (RFC 6749 section 2.3). */
export type ClientAuthMethod = {
  readonly method: 'client_secret_basic' | 'client_secret_post'
  readonly readSecret: SecretReader
}

/** Made anew for each request, because the secret may have been rotated. */
export async function clientAuth({
  method,
  readSecret,
}: ClientAuthMethod): Promise<oauth.ClientAuth> {
  const secret = (await readSecret()).reveal()
  switch (method) {
    case 'client_secret_basic': {
      return oauth.ClientSecretBasic(secret)
    }
    case 'client_secret_post': {
      return oauth.ClientSecretPost(secret)
    }
  }
}
