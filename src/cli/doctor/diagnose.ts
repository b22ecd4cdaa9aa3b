import { environmentFindings } from './environment-findings.ts'
import type { DoctorFacts, DoctorFinding } from './facts.ts'
import { networkFindings } from './network-findings.ts'
import { sidecarFindings } from './sidecar-findings.ts'

/** Why requests of an application do not arrive at the sidecar, or get no token. */
export function diagnose(facts: DoctorFacts): DoctorFinding[] {
  const { configuration, application, sidecar, network } = facts
  const ofEnvironment =
    application === undefined ? [] : environmentFindings(application, configuration)
  const isTrusted = !ofEnvironment.some(({ code }) => code === 'ca_not_trusted')
  const found = [
    ...likely(ofEnvironment, facts),
    ...networkFindings(configuration, network),
    ...(sidecar === undefined
      ? []
      : 'fault' in sidecar
        ? [unreachable(sidecar.fault)]
        : sidecarFindings(sidecar, application !== undefined && isTrusted)),
  ]
  return distinct(found)
}

/**
 * A program may be one of several runtimes, such as requests or aiohttp for Python. Those that cannot use a proxy are
 * only named if nothing arrived, or if there are no others.
 */
function likely(
  findings: readonly DoctorFinding[],
  { application, sidecar }: DoctorFacts,
): readonly DoctorFinding[] {
  const runtimes = application?.runtimes ?? []
  const arrived =
    sidecar !== undefined &&
    'requests' in sidecar &&
    (sidecar.requests > 0 || sidecar.interception.some(({ handshakes }) => sum(handshakes) > 0))
  const unable = new Set(
    runtimes.filter(({ proxy }) => proxy.kind === 'none').map(({ name }) => name),
  )
  const isObserved = sidecar !== undefined && 'requests' in sidecar
  const keepsUnable = unable.size === runtimes.length || (isObserved && !arrived)
  return findings.filter(
    ({ code, runtime }) =>
      keepsUnable || code !== 'proxy_ignored' || runtime === null || !unable.has(runtime),
  )
}

function sum(counts: Readonly<Record<string, number>>): number {
  return Object.values(counts).reduce((total, count) => total + count, 0)
}

function unreachable(fault: string): DoctorFinding {
  return {
    code: 'sidecar_unreachable',
    host: null,
    runtime: null,
    message: `the admin listener of the sidecar cannot be reached: ${fault}`,
    fix: 'Start the sidecar with this configuration; without it only the environment is examined.',
  }
}

/** The same fault and fix of several runtimes is one finding. */
function distinct(findings: readonly DoctorFinding[]): DoctorFinding[] {
  const byText = new Map<string, DoctorFinding>()
  for (const found of findings) {
    const key = JSON.stringify([found.code, found.host, found.message, found.fix])
    const same = byText.get(key)
    const runtimes = [same?.runtime, found.runtime].filter((name) => typeof name === 'string')
    byText.set(key, { ...found, runtime: runtimes.length === 0 ? null : runtimes.join(', ') })
  }
  return [...byText.values()]
}
