import { environmentFindings } from './environment-findings.ts'
import type { Runtime } from '../runtimes.ts'
import type { ApplicationFacts, DoctorFacts, DoctorFinding } from './facts.ts'
import { networkFindings } from './network-findings.ts'
import { sidecarFindings } from './sidecar-findings.ts'

/** Why requests of an application do not arrive at the sidecar, or get no token. */
export function diagnose(facts: DoctorFacts): DoctorFinding[] {
  const { configuration, application, sidecar, network, isComplete } = facts
  const arrived = hasArrivals(sidecar)
  const ofEnvironment =
    application === undefined
      ? []
      : environmentFindings(application, configuration).filter((found) =>
          isLikely(found, application, isComplete && !arrived),
        )
  const isTrusted = !ofEnvironment.some(({ code }) => code === 'ca_not_trusted')
  return distinct([
    ...ofEnvironment,
    ...networkFindings(configuration, network),
    ...('fault' in sidecar
      ? [unreachable(sidecar.fault)]
      : sidecarFindings(sidecar, application !== undefined && isTrusted)),
    ...(isComplete && !arrived ? [nothingArrived(configuration.hosts)] : []),
  ])
}

function hasArrivals(sidecar: DoctorFacts['sidecar']): boolean {
  return (
    !('fault' in sidecar) &&
    (sidecar.requests > 0 ||
      sidecar.failures.length > 0 ||
      sidecar.interception.some(({ handshakes }) => sum(handshakes) > 0))
  )
}

/**
 * A program may be one of several runtimes, such as requests or aiohttp for Python. Those that cannot use a proxy are
 * only named if nothing arrived, or if there are no others.
 */
function isLikely(
  { code, runtime: name }: DoctorFinding,
  { runtimes }: ApplicationFacts,
  nothingHasArrived: boolean,
): boolean {
  if (code !== 'proxy_ignored' || nothingHasArrived) return true
  const runtime = runtimes.find((candidate) => candidate.name === name)
  return runtime === undefined || !isUnable(runtime) || runtimes.every(isUnable)
}

function isUnable({ proxy }: Runtime): boolean {
  return proxy.kind === 'none'
}

function nothingArrived(hosts: readonly string[]): DoctorFinding {
  return {
    code: 'nothing_arrived',
    host: null,
    runtime: null,
    message: 'the command has ended, and no request or connection of it arrived at the sidecar',
    fix: `Check that it calls ${hosts.length === 0 ? 'a host of a route' : hosts.join(', ')}. A program that ignores proxy variables needs the base URL of the sidecar, or a listener with "mode: transparent".`,
  }
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
