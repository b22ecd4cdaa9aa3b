import * as z from 'zod'
import { settingRoles } from './setting-roles.ts'
import {
  certificateAndKey,
  positiveDuration,
  secretRef,
  text,
  visibleAscii,
} from './value-schemas.ts'

const URL_ERROR =
  'expected a URL such as "rediss://valkey.example.com:6379", without user, password, query or fragment'

const storeUrl = z.string({ error: URL_ERROR }).refine(isStoreUrl, { error: URL_ERROR })

export const tokenStore = z
  .strictObject({
    url: z
      .union([storeUrl.transform((url) => [url]), z.array(storeUrl).min(1, { error: URL_ERROR })], {
        error: URL_ERROR,
      })
      .describe(
        'The server, `rediss:` with TLS or `redis:` without; the number of the database may follow, as in `rediss://host:6379/1`. For a cluster or Sentinel, a list of some of the servers.',
      ),
    mode: z
      .enum(['standalone', 'sentinel', 'cluster'])
      .default('standalone')
      .describe(
        'What the addresses are: one server, Sentinels that name the primary, or nodes of a cluster.',
      ),
    primary: text
      .default('mymaster')
      .describe('The name under which the Sentinels monitor the primary (`mode: sentinel`).'),
    username: visibleAscii.optional().describe('The user (ACL); the default user if left out.'),
    password: secretRef
      .optional()
      .describe('The password. The sidecar connects again when it changes.')
      .register(settingRoles, { reference: 'secret', isIndivisible: true }),
    tls: certificateAndKey.prefault({}).describe('TLS to the servers (`rediss:`).'),
    keys: z
      .array(
        secretRef.register(settingRoles, {
          reference: 'encryption key',
          isIndivisible: true,
        }),
      )
      .min(1, { error: 'expected at least one key' })
      .describe(
        'Secrets with which entries are encrypted, of at least 32 characters: the first encrypts, all decrypt. For a rotation, add the new key at the end everywhere, then move it to the front, then remove the old one.',
      ),
    prefix: z
      .string()
      .regex(/^[\w.:/-]{0,64}$/, {
        error: 'expected at most 64 letters, digits and the characters ".", ":", "/", "_" and "-"',
      })
      .default('token-sidecar:')
      .describe('What the names of all entries begin with.'),
    timeout: positiveDuration
      .prefault('250ms')
      .describe('How long one operation may take; then the sidecar requests its own token.'),
    allowPlaintext: z
      .boolean()
      .default(false)
      .describe('Allow a store on another machine without TLS (`redis:`).'),
  })
  .describe(
    'A Valkey or Redis server in which sidecars share their tokens, so that a fleet requests each token once. Without it, or while it fails, each sidecar requests its own.',
  )

export type TokenStoreConfig = z.output<typeof tokenStore>

function isStoreUrl(value: string): boolean {
  const url = URL.parse(value)
  return (
    url !== null &&
    /^rediss?:$/.test(url.protocol) &&
    url.hostname !== '' &&
    url.username === '' &&
    url.password === '' &&
    url.search === '' &&
    url.hash === '' &&
    /^(?:\/\d{0,2})?$/.test(url.pathname)
  )
}
