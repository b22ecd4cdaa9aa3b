import { hash, timingSafeEqual } from 'node:crypto'
import type { Clock } from '../lib/clock.ts'
import { repeat } from '../lib/repeat.ts'
import type { SecretReader } from '../lib/secret.ts'

export type User = {
  readonly username: string
  readonly readPassword: SecretReader
}

/** The users of a listener, and their passwords. */
export type UserTable = {
  /** Whether these are the user name and the password of a user. */
  readonly accepts: (username: string, password: string) => boolean
  readonly hasUser: (username: string) => boolean
  /** Stops reading the passwords again. */
  readonly close: () => void
}

/** How often the passwords are read. */
const INTERVAL_MS = 10_000

/** Fails when a password cannot be read, or is empty. */
export async function createUserTable(users: readonly User[], clock: Clock): Promise<UserTable> {
  let digests = await Promise.all(users.map(readDigest))
  const update = async (): Promise<void> => {
    const read = await Promise.allSettled(users.map(readDigest))
    // A file that cannot be read, as while it is replaced, is read again later.
    digests = digests.map((digest, index) => {
      const result = read[index]
      return result?.status === 'fulfilled' ? result.value : digest
    })
  }
  return {
    accepts(username, password) {
      const digest = digestOf(username, password)
      let isAccepted = false
      // All are compared, so that the time does not depend on which one it is.
      for (const known of digests) if (timingSafeEqual(known, digest)) isAccepted = true
      return isAccepted
    },
    hasUser: (username) => users.some((user) => user.username === username),
    close: repeat(INTERVAL_MS, update, clock),
  }
}

async function readDigest({ username, readPassword }: User): Promise<Buffer> {
  const password = (await readPassword()).reveal()
  if (password === '') throw new Error(`the password of user "${username}" is empty`)
  return digestOf(username, password)
}

/** Digests have one length, and comparing them says nothing about the password. */
function digestOf(username: string, password: string): Buffer {
  return hash('sha256', `${username}:${password}`, 'buffer')
}
