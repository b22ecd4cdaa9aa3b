import * as z from 'zod'

/** What other code has to know about a setting, registered where the setting is defined. */
export type SettingRole = {
  /**
   * Whether messages may quote the value and everything below it: `private` if it may contain a secret, `public`
   * for a part of a private value that is never secret.
   */
  readonly visibility?: 'private' | 'public'
  /** What kind of external reference it is. */
  readonly reference?: Reference
  /** Whether a value replaces a default completely, because its keys belong together. */
  readonly isIndivisible?: true
}

type Reference =
  /** `{ file }`, `{ env }` or `{ value }` of a secret that is plain text. */
  | 'secret'
  /** The same for the user name of Basic authentication. */
  | 'user name'
  /** The same for a secret that encrypts, of at least 32 characters. */
  | 'encryption key'
  /** The same for a private key that signs, with its algorithm and passphrase beside it. */
  | 'signing key'
  /** The same for a token. */
  | 'token'
  /** `{ file }` of certificates in PEM form. */
  | 'certificate'
  /** `{ file }` of a private key in PEM form. */
  | 'private key'
  /** `{ certificate, key }`, which have to match. */
  | 'key pair'
  /** The path of a file itself. */
  | 'file'

export const settingRoles = z.registry<SettingRole>()
