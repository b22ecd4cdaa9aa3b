import * as z from 'zod'

/** What code outside of the schema has to know about a setting, said where the setting is defined. */
export type SettingRole = {
  /**
   * Whether messages may repeat what the file has there and below: `private` where a secret may be,
   * `public` for what is never secret within something private.
   */
  readonly visibility?: 'private' | 'public'
  /** What it refers to outside of the file. */
  readonly reference?: Reference
  /** Whether a value replaces a default as a whole, because its keys make sense only together. */
  readonly isIndivisible?: true
}

type Reference =
  /** `{ file }`, `{ env }` or `{ value }` of a secret that is plain text. */
  | 'secret'
  /** The same for a private key that signs, with its algorithm and passphrase beside it. */
  | 'signing key'
  /** The same for a token. */
  | 'token'
  /** `{ file }` of certificates in PEM form. */
  | 'certificate'
  /** `{ file }` of a private key in PEM form. */
  | 'private key'
  /** `{ certificate, key }`, which have to belong together. */
  | 'key pair'
  /** The path of a file itself. */
  | 'file'

export const settingRoles = z.registry<SettingRole>()
