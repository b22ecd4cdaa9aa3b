import { spawnSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { RENDERINGS } from '../../scripts/render-chart.ts'
import { loadDeployed } from '../helpers/deployed-config.ts'
import { manifestProblems, type PodTemplate, podsOf, readDocuments } from '../helpers/manifests.ts'
import { podProblems } from '../helpers/pod-rules.ts'
import { readImage } from '../helpers/shipped-image.ts'
import { temporaryDirectory } from '../helpers/sidecar.ts'
import { findPrograms, MAY_SKIP } from '../helpers/tools.ts'

const OVERLAY = 'deploy/kubernetes/overlays/transparent'
const UNIT = readFileSync('deploy/systemd/token-sidecar-redirect.service', 'utf8')
const RULES = readFileSync('deploy/redirect/redirect.nft', 'utf8')

/** The pods in transparent mode, of the plain manifests and of the rendered chart. */
const PODS = [
  ['overlays/transparent/deployment.yaml', readFileSync(`${OVERLAY}/deployment.yaml`, 'utf8')],
  ['the chart with transparent.enabled', readFileSync(RENDERINGS[1].file, 'utf8')],
] as const

function onlyPodOf(text: string): PodTemplate {
  const [pod, ...others] = podsOf(text)
  if (pod === undefined || others.length > 0) throw new Error('expected one pod')
  return pod
}

const transparentConfig = async () =>
  await loadDeployed(readFileSync(`${OVERLAY}/token-sidecar.yaml`, 'utf8'))

test.for(PODS)('the manifests of %s are valid', ([, text]) => {
  expect(manifestProblems(text)).toEqual([])
})

test.for(PODS)(
  'the pod of %s differs from other pods only in what redirecting needs',
  async ([, text]) => {
    expect(podProblems(onlyPodOf(text), await transparentConfig())).toEqual([
      'the user is not that of the image',
      '"redirect" has no safe runAsNonRoot',
      '"redirect" has no safe capabilities',
      '/var/lib/token-sidecar can be written',
      '/trust can be written',
      // The sidecar resets connections from other pods.
      '"listen" is open to other pods',
      // The application calls the API itself.
      'no container has http://127.0.0.1:15001 in its environment',
    ])
  },
)

test.for(PODS)(
  'the first container of %s loads the rules, with the one capability that this needs',
  ([, text]) => {
    const [first] = onlyPodOf(text).spec.initContainers
    expect(first?.image).toBe(`token-sidecar-redirect:${readImage().version}`)
    expect(first?.restartPolicy).toBeUndefined()
    expect(first?.securityContext['capabilities']).toEqual({ drop: ['ALL'], add: ['NET_ADMIN'] })
  },
)

test.for(PODS)('the rules of %s have the user and the port of the sidecar', async ([, text]) => {
  const { spec } = onlyPodOf(text)
  const [redirect, sidecar] = spec.initContainers
  const valueOf = (name: string) => redirect?.env.find((entry) => entry.name === name)?.value
  const { config } = await transparentConfig()
  const [listener] = config.listen
  expect(listener?.mode).toBe('transparent')
  expect(listener?.address).toMatchObject({ port: Number(valueOf('LISTENER_PORT')) })
  expect(String(sidecar?.securityContext['runAsUser'])).toBe(valueOf('SIDECAR_USER'))
})

test.for(PODS)('no other container of %s runs as the user of the sidecar', ([, text]) => {
  const { spec } = onlyPodOf(text)
  const users = [...spec.initContainers, ...spec.containers].map(
    ({ securityContext }) => securityContext['runAsUser'],
  )
  expect(new Set(users).size).toBe(users.length)
  // Many images run as it.
  expect(users).not.toContain(readImage().user)
})

test.for(PODS)(
  'the application of %s trusts the bundle that the sidecar writes',
  async ([, text]) => {
    const { spec } = onlyPodOf(text)
    const { config } = await transparentConfig()
    const bundle = config.intercept?.bundle.pem ?? ''
    const [application] = spec.containers
    expect(application?.env).toContainEqual({ name: 'SSL_CERT_FILE', value: bundle })
    expect(application?.volumeMounts).toEqual([
      { name: 'ts-trust', mountPath: '/trust', readOnly: true },
    ])
    expect(bundle.startsWith('/trust/')).toBe(true)
  },
)

test('the private key of the CA is mounted by the sidecar only', async () => {
  const { config } = await transparentConfig()
  const { ca } = config.intercept ?? {}
  expect(ca).toEqual({ kind: 'generated', directory: '/var/lib/token-sidecar/ca' })
  for (const [, text] of PODS) {
    const { spec } = onlyPodOf(text)
    const mounting = [...spec.initContainers, ...spec.containers].filter(({ volumeMounts }) =>
      volumeMounts.some(({ name }) => name === 'ts-authority'),
    )
    expect(mounting.map(({ name }) => name)).toEqual(['token-sidecar'])
  }
})

test('the chart and the plain manifests define the same transparent pod', () => {
  const [plain, rendered] = PODS.map(([, text]) => onlyPodOf(text).spec.initContainers)
  const comparable = (containers: typeof plain) =>
    containers?.map(({ env, volumeMounts, ...container }) => ({
      ...container,
      env: env.filter(({ value }) => value !== ''),
      mounts: volumeMounts.map(({ mountPath, readOnly }) => ({ mountPath, readOnly })),
    }))
  expect(comparable(rendered)).toEqual(comparable(plain))
})

test('the chart rejects transparent mode without a list of listeners', () => {
  const template = readFileSync('deploy/helm/token-sidecar/templates/_sidecar.tpl', 'utf8')
  expect(template).toContain('kindIs "slice" $sidecar.config.listen')
})

test('the images are built from the same version', () => {
  const dockerfile = readFileSync('deploy/redirect/Dockerfile', 'utf8')
  expect(dockerfile).toContain(`image.version="${readImage().version}"`)
  expect(dockerfile).toMatch(/^FROM debian:\d+\.\d+-slim$/m)
})

test('kustomization and manifests name the same images', () => {
  const [document] = readDocuments(readFileSync(`${OVERLAY}/kustomization.yaml`, 'utf8'))
  expect(JSON.stringify(document)).toContain('"name":"token-sidecar-redirect"')
})

/** Every value of a directive of the unit. */
function valuesOf(directive: string): string[] {
  return [...UNIT.matchAll(new RegExp(`^${directive}=(.*)$`, 'gm'))].map(([, value = '']) => value)
}

test('the unit sets every variable of the rules', () => {
  const variables = new Set([...RULES.matchAll(/\$(\w+)/g)].map(([, name]) => name))
  const [command = ''] = valuesOf('ExecStart')
  expect(new Set([...command.matchAll(/--define (\w+)=/g)].map(([, name]) => name))).toEqual(
    variables,
  )
})

test('the unit loads the rules again after nftables.service, and never removes them', () => {
  expect(valuesOf('ExecReload')).toEqual(valuesOf('ExecStart'))
  expect(valuesOf('ExecStop')).toEqual([])
  for (const directive of ['After', 'PartOf', 'ReloadPropagatedFrom']) {
    expect(valuesOf(directive)).toEqual(['nftables.service'])
  }
})

test('the unit has one capability', () => {
  expect(valuesOf('CapabilityBoundingSet')).toEqual(['CAP_NET_ADMIN'])
})

const [analyze] = findPrograms('systemd-analyze')

test.skipIf(analyze === undefined && MAY_SKIP)(
  'systemd-analyze verify reports no problem of the unit',
  async () => {
    const file = join(await temporaryDirectory(), 'token-sidecar-redirect.service')
    // Only the rules need nft; the unit does not.
    writeFileSync(file, UNIT.replaceAll('/usr/sbin/nft', process.execPath))
    const { status, stdout, stderr } = spawnSync(analyze ?? 'systemd-analyze', ['verify', file], {
      encoding: 'utf8',
    })
    expect({ status, text: stdout + stderr }).toEqual({ status: 0, text: '' })
  },
)
