import { SignJWT } from 'jose'
import type * as oauth from 'oauth4webapi'
import { SidecarError } from '../errors.ts'
import { fingerprint } from '../lib/fingerprint.ts'
import type { SecretReader } from '../lib/secret.ts'
import { assertionIdentity } from './assertion-identity.ts'
import { type AssertionAudience, audienceOf } from './client-auth.ts'
import { readSigningKey, type SigningKeySource } from './signing-key.ts'

/** The grant of a token request (RFC 6749 section 1.3). */
export type Grant =
  | { readonly type: 'client_credentials' }
  | {
      readonly type: 'jwt_bearer'
      readonly key: SigningKeySource
      readonly issuer: string
      readonly subject: string
      readonly audience: AssertionAudience
      readonly claims: Readonly<Record<string, unknown>>
    }
  | {
      readonly type: 'token_exchange'
      readonly readSubjectToken: SecretReader
      readonly subjectTokenType: string
      readonly requestedTokenType: string | undefined
    }

export type GrantRequest = {
  readonly grantType: string
  /** Its form fields. */
  readonly fields: Readonly<Record<string, string>>
}

/** Longer than any token request takes, and too short to be worth stealing. */
const ASSERTION_LIFETIME_SECONDS = 60

/** Signs the assertion or reads the subject token for each request. Fails with `token_unavailable`. */
export async function prepareGrant(
  grant: Grant,
  server: oauth.AuthorizationServer,
  nowWallMs: number,
): Promise<GrantRequest> {
  switch (grant.type) {
    case 'client_credentials': {
      return { grantType: 'client_credentials', fields: {} }
    }
    case 'jwt_bearer': {
      const { key, kid } = await readSigningKey(grant.key)
      const nowSeconds = Math.floor(nowWallMs / 1000)
      const assertion = await new SignJWT({ ...grant.claims })
        .setProtectedHeader({
          alg: grant.key.algorithm,
          typ: 'JWT',
          ...(kid !== undefined && { kid }),
        })
        .setIssuer(grant.issuer)
        .setSubject(grant.subject)
        .setAudience(audienceOf(grant.audience, server))
        .setIssuedAt(nowSeconds - 5)
        .setExpirationTime(nowSeconds + ASSERTION_LIFETIME_SECONDS)
        .setJti(crypto.randomUUID())
        .sign(key)
      return { grantType: 'urn:ietf:params:oauth:grant-type:jwt-bearer', fields: { assertion } }
    }
    case 'token_exchange': {
      const { subjectTokenType, requestedTokenType } = grant
      return {
        grantType: 'urn:ietf:params:oauth:grant-type:token-exchange',
        fields: {
          subject_token: await readSubjectTokenText(grant.readSubjectToken),
          subject_token_type: subjectTokenType,
          ...(requestedTokenType !== undefined && { requested_token_type: requestedTokenType }),
        },
      }
    }
  }
}

async function readSubjectTokenText(read: SecretReader): Promise<string> {
  try {
    return (await read()).reveal().trim()
  } catch (cause) {
    throw new SidecarError(
      'token_unavailable',
      'Cannot exchange the subject token: its file is not readable',
      { cause },
    )
  }
}

/** Changes with the key or the subject token. */
export async function grantFingerprint(grant: Grant): Promise<string> {
  switch (grant.type) {
    case 'client_credentials': {
      return ''
    }
    case 'jwt_bearer': {
      return fingerprint((await readSigningKey(grant.key)).text)
    }
    case 'token_exchange': {
      return fingerprint(await readSubjectTokenText(grant.readSubjectToken))
    }
  }
}

/** Whose tokens the grant obtains: instances of one workload have subject tokens of the same subject. */
export async function grantIdentity(grant: Grant): Promise<string> {
  return grant.type === 'token_exchange'
    ? assertionIdentity(await readSubjectTokenText(grant.readSubjectToken))
    : await grantFingerprint(grant)
}
