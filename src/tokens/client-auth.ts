import * as oauth from 'oauth4webapi'
import { SidecarError } from '../errors.ts'
import { fingerprint } from '../lib/fingerprint.ts'
import type { SecretReader } from '../lib/secret.ts'
import { assertionIdentity } from './assertion-identity.ts'
import { readSigningKey, type SigningKeySource } from './signing-key.ts'

/** Client authentication (RFC 6749 section 2.3, RFC 7523 section 2.2, RFC 8705 section 2). */
export type ClientAuthMethod =
  | {
      readonly method: 'client_secret_basic'
      readonly readSecret: SecretReader
      readonly encoding: 'form' | 'raw'
    }
  | { readonly method: 'client_secret_post'; readonly readSecret: SecretReader }
  | {
      readonly method: 'client_secret_jwt'
      readonly readSecret: SecretReader
      readonly audience: AssertionAudience
      readonly header: Readonly<Record<string, string>>
    }
  | {
      readonly method: 'private_key_jwt'
      readonly key: SigningKeySource
      readonly audience: AssertionAudience
      readonly header: Readonly<Record<string, string>>
    }
  | {
      readonly method: 'client_assertion_file'
      readonly readAssertion: SecretReader
      /** RFC 7521 section 4.2: an absolute URI. */
      readonly assertionType: string
    }
  | { readonly method: 'tls_client_auth' | 'self_signed_tls_client_auth' | 'none' }

/** `issuer`, `tokenEndpoint`, or a URL. */
export type AssertionAudience = string

export type ClientAuthentication = {
  readonly authenticate: oauth.ClientAuth
  /** Changes with the secret, the key or the assertion. */
  readonly fingerprint: string
  /** Whom an assertion of another issuer identifies; otherwise the fingerprint says it. */
  readonly identity?: string
  /** Values that must not appear in any output. */
  readonly secrets: readonly string[]
}

/** Reads the secret, key or assertion for each request, because it may have been rotated. */
export async function prepareClientAuth(auth: ClientAuthMethod): Promise<ClientAuthentication> {
  switch (auth.method) {
    case 'client_secret_basic': {
      const secret = await readText(auth.readSecret)
      return {
        authenticate: basic(secret, auth.encoding === 'raw' ? (text) => text : formEncoded),
        fingerprint: fingerprint(secret),
        secrets: [secret, formEncoded(secret)],
      }
    }
    case 'client_secret_post': {
      const secret = await readText(auth.readSecret)
      return {
        authenticate: oauth.ClientSecretPost(secret),
        fingerprint: fingerprint(secret),
        secrets: [secret],
      }
    }
    case 'client_secret_jwt': {
      const secret = await readText(auth.readSecret)
      return {
        authenticate: withAudience(auth.audience, auth.header, (options) =>
          oauth.ClientSecretJwt(secret, options),
        ),
        fingerprint: fingerprint(secret),
        secrets: [secret],
      }
    }
    case 'private_key_jwt': {
      const { key, kid, text } = await readSigningKey(auth.key)
      const privateKey = kid === undefined ? { key } : { key, kid }
      // Ed25519 has two names (RFC 8037, RFC 9864), of which a server may know only one.
      const header = { alg: auth.key.algorithm, ...auth.header }
      return {
        authenticate: withAudience(auth.audience, header, (options) =>
          oauth.PrivateKeyJwt(privateKey, options),
        ),
        fingerprint: fingerprint(text),
        secrets: [],
      }
    }
    case 'client_assertion_file': {
      const assertion = (await readText(auth.readAssertion)).trim()
      return {
        authenticate: (_server, { client_id: clientId }, body) => {
          if (clientId !== NO_CLIENT_ID) body.set('client_id', clientId)
          body.set('client_assertion_type', auth.assertionType)
          body.set('client_assertion', assertion)
        },
        fingerprint: fingerprint(assertion),
        identity: assertionIdentity(assertion),
        secrets: [assertion],
      }
    }
    case 'tls_client_auth':
    case 'self_signed_tls_client_auth': {
      return { authenticate: oauth.TlsClientAuth(), fingerprint: '', secrets: [] }
    }
    case 'none': {
      return {
        authenticate: (_server, { client_id: clientId }, body) => {
          if (clientId !== NO_CLIENT_ID) body.set('client_id', clientId)
        },
        fingerprint: '',
        secrets: [],
      }
    }
  }
}

/** A placeholder, because the library requires an identifier: the assertion identifies this client. */
export const NO_CLIENT_ID = '-'

/** RFC 6749 section 2.3.1; without an encoding, RFC 7617. */
function basic(secret: string, encode: (text: string) => string): oauth.ClientAuth {
  return (_server, { client_id: clientId }, _body, headers) => {
    const credentials = Buffer.from(`${encode(clientId)}:${encode(secret)}`).toString('base64')
    headers.set('authorization', `Basic ${credentials}`)
  }
}

/**
 * `application/x-www-form-urlencoded` as the URL standard serializes it. oauth4webapi also escapes `-`, `_`,
 * `.` and `*`, which servers that do not decode the credentials (Glewlwyd) then reject.
 */
function formEncoded(text: string): string {
  return new URLSearchParams({ '': text }).toString().slice('='.length)
}

/**
 * An assertion with one audience, by default the issuer (draft-ietf-oauth-rfc7523bis section 4). `iat` allows
 * for clock skew.
 */
function withAudience(
  audience: AssertionAudience,
  extraHeader: Readonly<Record<string, string>>,
  create: (options: oauth.ModifyAssertionOptions) => oauth.ClientAuth,
): oauth.ClientAuth {
  return async (server, client, body, headers) => {
    const authenticate = create({
      [oauth.modifyAssertion](header, payload) {
        Object.assign(header, { typ: 'client-authentication+jwt' }, extraHeader)
        payload['aud'] = audienceOf(audience, server)
        if (typeof payload['iat'] === 'number') payload['iat'] -= 5
        delete payload['nbf']
      },
    })
    await authenticate(server, client, body, headers)
  }
}

export function audienceOf(audience: AssertionAudience, server: oauth.AuthorizationServer): string {
  switch (audience) {
    case 'issuer': {
      return server.issuer
    }
    case 'tokenEndpoint': {
      return server.token_endpoint ?? server.issuer
    }
    default: {
      return audience
    }
  }
}

async function readText(read: SecretReader): Promise<string> {
  let text: string
  try {
    text = (await read()).reveal()
  } catch (cause) {
    throw new SidecarError(
      'token_unavailable',
      'Cannot authenticate the client: its secret or assertion is not readable',
      { cause },
    )
  }
  // The file may be in the middle of being written.
  if (text.trim() === '') {
    throw new SidecarError(
      'token_unavailable',
      'Cannot authenticate the client: its secret or assertion is empty',
    )
  }
  return text
}
