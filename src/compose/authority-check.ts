import { error, type Finding, warning } from '../config/finding.ts'
import type { Config } from '../config/schema.ts'
import type { ConfigEnvironment } from '../config/secret-reader.ts'
import { toSidecarError } from '../errors.ts'
import { systemClock } from '../lib/clock.ts'
import { authoritySource, constrainedHost } from './interception-authority.ts'

/** Problems and warnings about the certificate authority, without creating or changing it. */
export async function checkAuthority(
  config: Config,
  places: ConfigEnvironment,
): Promise<Finding[]> {
  const { intercept, routes } = config
  if (intercept === undefined) return []
  const { inspectAuthority } = await import('../certificates/inspect-authority.ts')
  try {
    const source = authoritySource(config, intercept.ca, places)
    const { added, notPermitted, warnings } = await inspectAuthority(source, systemClock.wallMs())
    const perRoute = routes.flatMap(({ match: { host } }, index) => {
      const path = ['routes', index, 'match', 'host']
      const constrained = host && constrainedHost(host)
      if (constrained === undefined) return []
      if (added.includes(constrained)) return [warning(path, ADDED)]
      return notPermitted.includes(constrained) ? [warning(path, NOT_PERMITTED)] : []
    })
    return [...warnings.map((message) => warning(['intercept', 'ca'], message)), ...perRoute]
  } catch (cause) {
    return [error(['intercept', 'ca'], toSidecarError(cause).message)]
  }
}

const ADDED =
  'no certificate authority for this host exists yet: the next start creates one, and applications that are running trust it only after they read the trust bundle again, usually by a restart'

const NOT_PERMITTED =
  'the certificate authority may not sign this host, so that it cannot be intercepted'
