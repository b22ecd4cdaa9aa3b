import { readAuthorities } from './authority-directory.ts'
import { type AuthoritySource, readAuthorityState } from './authority-state.ts'

export type AuthorityInspection = {
  /** The hosts for which a generated authority has to be added to those that exist. */
  readonly added: readonly string[]
  /** The hosts that a supplied authority may not sign. */
  readonly notPermitted: readonly string[]
  readonly warnings: readonly string[]
}

/** What the next start does, without doing it. Fails as that would. */
export async function inspectAuthority(
  source: AuthoritySource,
  nowMs: number,
): Promise<AuthorityInspection> {
  const { ca, hosts } = source
  if (ca.kind === 'generated') {
    const found = (await readAuthorities(ca.directory)).flatMap(({ authorities }) => authorities)
    const valid = found.filter(({ notAfterMs }) => notAfterMs > nowMs)
    const added = hosts.filter((host) => !valid.some(({ permits }) => permits(host)))
    return { added: valid.length === 0 ? [] : added, notPermitted: [], warnings: [] }
  }
  const { authorities, warnings } = await readAuthorityState(source, () => nowMs)
  const notPermitted = hosts.filter((host) => !authorities.some(({ permits }) => permits(host)))
  return { added: [], notPermitted, warnings }
}
