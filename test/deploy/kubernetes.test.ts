import { existsSync, globSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { expect, test } from 'vitest'
import * as z from 'zod'
import { loadDeployed } from '../helpers/deployed-config.ts'
import { manifestProblems, podsOf, readDocuments } from '../helpers/manifests.ts'
import { imageProblems, podProblems } from '../helpers/pod-rules.ts'
import { readImage } from '../helpers/shipped-image.ts'

const TOP = 'deploy/kubernetes'
const CONFIGURATIONS = globSync(`${TOP}/**/token-sidecar.yaml`)
const MANIFESTS = globSync(`${TOP}/**/*.yaml`).filter((file) => !CONFIGURATIONS.includes(file))
const KUSTOMIZATIONS = MANIFESTS.filter((file) => file.endsWith('/kustomization.yaml'))

/** The workloads with the sidecar, and the configuration that each mounts. */
const SIDECARS = [
  ['base/deployment.yaml', 'base/token-sidecar.yaml'],
  ['overlays/jobs/cronjob.yaml', 'base/token-sidecar.yaml'],
  ['overlays/own-pod/token-sidecar-deployment.yaml', 'overlays/own-pod/token-sidecar.yaml'],
] as const

const read = (file: string): string => readFileSync(join(TOP, file), 'utf8')

test('manifests and configurations are found', () => {
  expect(CONFIGURATIONS).toHaveLength(3)
  expect(MANIFESTS.length).toBeGreaterThan(12)
})

test.for(MANIFESTS)('%s is a valid manifest', (file) => {
  expect(manifestProblems(readFileSync(file, 'utf8'))).toEqual([])
})

test.for(CONFIGURATIONS)('%s is a valid configuration', async (file) => {
  const { config, warnings, files } = await loadDeployed(readFileSync(file, 'utf8'))
  // Probes come from outside of the pod, as do requests to a pod with only the sidecar.
  const listeners = file.includes('own-pod')
    ? ['can use the tokens', 'can read the status']
    : ['can read the status']
  expect(warnings).toEqual(
    listeners.map((danger) =>
      expect.stringContaining(`every machine that can connect to this address ${danger}`),
    ),
  )
  expect(files).toEqual(['/secrets/corp-client/client-secret'])
  const addresses = [...config.listen.map(({ address }) => address), config.admin]
  const [proxy, ...admin] = readImage().ports
  // A transparent listener has a port of its own.
  const expected = file.includes('transparent') ? [15_001, ...admin] : [proxy, ...admin]
  expect(addresses.map((address) => 'port' in address && address.port)).toEqual(expected)
})

test.for(SIDECARS)(
  'the pod of %s is consistent with the image and %s',
  async ([manifest, configuration]) => {
    const pods = podsOf(read(manifest))
    expect(pods).toHaveLength(1)
    const deployed = await loadDeployed(read(configuration))
    expect(pods.flatMap((pod) => podProblems(pod, deployed))).toEqual([])
  },
)

test.for(MANIFESTS)('every image in %s has a version tag', (file) => {
  const images = podsOf(readFileSync(file, 'utf8')).flatMap(({ spec }) =>
    [...spec.initContainers, ...spec.containers].map(({ image }) => image),
  )
  expect(images.flatMap(imageProblems)).toEqual([])
})

test.for([
  ['an unknown field', 'restartPolicy: Always', 'restartPolice: Always'],
  ['a number for a text', "value: 'http://127.0.0.1:8080'", 'value: 8080'],
  ['a list for a map', 'configMap: { name: token-sidecar }', 'configMap: []'],
  ['another kind', 'kind: Deployment', 'kind: Deploiment'],
  ['a field that is missing', 'selector:', 'minReadySeconds: 1 #'],
] as const)('the schemas reject %s', ([, right, wrong]) => {
  const text = read('base/deployment.yaml')
  expect(text).toContain(right)
  const broken = text
    .replace(right, wrong)
    .replace('#\n    matchLabels: { app.kubernetes.io/name: application }', '')
  expect(manifestProblems(broken)).not.toEqual([])
})

test.for([
  ['restartPolicy: Always', '', 'the init container does not keep running'],
  ['token-sidecar:0.1.0', 'token-sidecar:latest', 'the image is of another version'],
  ['busybox:1.37.0', 'busybox:latest', 'the image "busybox:latest" is not pinned'],
  ['busybox:1.37.0', 'busybox', 'the image "busybox" is not pinned'],
  [
    'terminationGracePeriodSeconds: 60',
    'terminationGracePeriodSeconds: 25',
    'the grace period is shorter than shutdown.deadline',
  ],
  ['runAsUser: 65532', 'runAsUser: 1000', 'the user is not that of the image'],
  ['runAsGroup: 65532', 'runAsGroup: 1000', 'the group is not that of the image'],
  ['fsGroup: 65532', 'fsGroup: 1000', 'fsGroup is not the group of the image'],
  ['automountServiceAccountToken: false', '', 'a service account token is mounted'],
  ['runAsNonRoot: true', '', '"token-sidecar" has no safe runAsNonRoot'],
  ['readOnlyRootFilesystem: true', '', '"token-sidecar" has no safe readOnlyRootFilesystem'],
  ['allowPrivilegeEscalation: false', '', '"token-sidecar" has no safe allowPrivilegeEscalation'],
  ['capabilities: { drop: [ALL] }', '', '"token-sidecar" has no safe capabilities'],
  [
    '{ type: RuntimeDefault }',
    '{ type: Unconfined }',
    '"token-sidecar" has no safe seccompProfile',
  ],
  ['limits: { memory: 384Mi }', '', '"token-sidecar" has no limit of memory'],
  [
    'limits: { memory: 384Mi',
    'limits: { memory: 384Mi, cpu: 500m',
    '"token-sidecar" has a limit of CPU',
  ],
  ['requests: { cpu: 100m, memory: 128Mi }', '', '"token-sidecar" requests no memory'],
  ['path: /livez', 'path: /readyz', 'the liveness probe does not ask /livez'],
  ['path: /readyz', 'path: /ready', 'the probe asks /ready'],
  [
    'containerPort: 9090',
    'containerPort: 9091',
    'the probe of /readyz asks another port than "admin"',
  ],
  ['startupProbe:', 'lifecycle:', 'there is no startup probe'],
  [
    'mountPath: /etc/token-sidecar',
    'mountPath: /etc/sidecar',
    'no ConfigMap is mounted for /etc/token-sidecar/token-sidecar.yaml',
  ],
  [
    'mountPath: /secrets/corp-client',
    'mountPath: /secrets/corp',
    'no Secret is mounted for /secrets/corp-client/client-secret',
  ],
  ['0440', '0400', 'the mode of /secrets/corp-client/client-secret is not 0440'],
  ['readOnly: true', 'readOnly: false', '/etc/token-sidecar can be written'],
  [
    'readOnly: true',
    'readOnly: true, subPath: x',
    '/etc/token-sidecar never changes, because of subPath',
  ],
  [
    'http://127.0.0.1:8080',
    'http://127.0.0.1:8081',
    'no container has http://127.0.0.1:8080 in its environment',
  ],
  [
    'command: [sh, -c]',
    'volumeMounts: [{ name: corp-client, mountPath: /x, readOnly: true }]',
    '"application" mounts the secret of the sidecar',
  ],
  [
    '- name: token-sidecar\n          image',
    '- name: sidecar\n          image',
    'there is no container "token-sidecar"',
  ],
] as const)('a Deployment with %j as %j is wrong: %s', async ([right, wrong, problem]) => {
  const text = read('base/deployment.yaml')
  expect(text).toContain(right)
  const deployed = await loadDeployed(read('base/token-sidecar.yaml'))
  const [pod] = podsOf(text.replace(right, wrong))
  expect(pod && podProblems(pod, deployed)).toContain(problem)
})

test.for([
  ['listen: 127.0.0.1:8080', 'listen: 0.0.0.0:8080', '"listen" is open to other pods'],
  ['admin: 0.0.0.0:9090', 'admin: 127.0.0.1:9090', 'probes do not reach "admin"'],
] as const)('a configuration with %j as %j is wrong: %s', async ([right, wrong, problem]) => {
  const text = read('base/token-sidecar.yaml')
  expect(text).toContain(right)
  const deployed = await loadDeployed(text.replace(right, wrong))
  const [pod] = podsOf(read('base/deployment.yaml'))
  expect(pod && podProblems(pod, deployed)).toContain(problem)
})

const listing = z.object({
  resources: z.array(z.string()).default([]),
  components: z.array(z.string()).default([]),
  configMapGenerator: z
    .array(z.object({ name: z.string(), files: z.array(z.string()) }))
    .default([]),
  images: z.array(z.object({ newTag: z.string() })).default([]),
})

test.for(KUSTOMIZATIONS)('the files of %s exist', (file) => {
  const [document] = readDocuments(readFileSync(file, 'utf8'))
  const { resources, components, configMapGenerator, images } = listing.parse(document)
  const files = [...resources, ...components, ...configMapGenerator.flatMap((made) => made.files)]
  expect(files.filter((name) => !existsSync(join(dirname(file), name)))).toEqual([])
  expect(images.filter(({ newTag }) => newTag !== readImage().version)).toEqual([])
})

test('every manifest except the placeholder of the secret is part of a kustomization', () => {
  const named = new Set(
    KUSTOMIZATIONS.flatMap((file) => {
      const [document] = readDocuments(readFileSync(file, 'utf8'))
      return listing.parse(document).resources.map((name) => join(dirname(file), name))
    }),
  )
  const others = MANIFESTS.filter((file) => !KUSTOMIZATIONS.includes(file))
  expect(others.filter((file) => !named.has(file))).toEqual([`${TOP}/secret.example.yaml`])
})

const secret = z.object({ stringData: z.record(z.string(), z.string()) })

test('the secret is a placeholder, with the key of the configuration', () => {
  const [document] = readDocuments(read('secret.example.yaml'))
  expect(secret.parse(document).stringData).toEqual({ 'client-secret': 'REPLACE-ME' })
})

test('monitors and policies select labels and ports of the pods', async () => {
  const [pod] = podsOf(read('base/deployment.yaml'))
  const selector = /matchLabels: \{ (?<label>token-sidecar[^:]+: 'true') \}/
  for (const file of ['network-policy/network-policy.yaml', 'pod-monitor/pod-monitor.yaml']) {
    const label = selector.exec(read(`components/${file}`))?.groups?.['label']
    expect(read('base/deployment.yaml')).toContain(label)
    expect(read('overlays/jobs/cronjob.yaml')).toContain(label)
  }
  const ports = pod?.spec.initContainers.flatMap((container) => container.ports) ?? []
  expect(ports).toEqual([{ name: 'ts-admin', containerPort: 9090 }])
  expect(read('components/pod-monitor/pod-monitor.yaml')).toContain('port: ts-admin')
  expect(read('components/network-policy/network-policy.yaml')).toContain('port: 9090')
})
