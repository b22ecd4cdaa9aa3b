import { dirname, join } from 'node:path'
import type { Deployed } from './deployed-config.ts'
import type { Container, PodTemplate } from './manifests.ts'
import { readImage } from './shipped-image.ts'

/** Violations of the rules for every pod with the sidecar, beyond the schema of Kubernetes. */
export function podProblems({ spec }: PodTemplate, deployed: Deployed): string[] {
  const { config } = deployed
  const image = readImage()
  const problems: string[] = []
  const expect = (isMet: boolean, problem: string): void => {
    if (!isMet) problems.push(problem)
  }
  const all = [...spec.initContainers, ...spec.containers]
  const sidecar = all.find(({ name }) => name === 'token-sidecar')
  if (sidecar === undefined) return ['there is no container "token-sidecar"']

  const isSidecarContainer = spec.initContainers.includes(sidecar)
  expect(
    !isSidecarContainer || sidecar.restartPolicy === 'Always',
    'the init container does not keep running',
  )
  expect(sidecar.image === `token-sidecar:${image.version}`, 'the image is of another version')
  expect(
    spec.terminationGracePeriodSeconds * 1000 > config.shutdown.deadline,
    'the grace period is shorter than shutdown.deadline',
  )

  const { securityContext: own } = sidecar
  expect(own['runAsUser'] === image.user, 'the user is not that of the image')
  expect(own['runAsGroup'] === image.group, 'the group is not that of the image')
  expect(spec.securityContext.fsGroup === image.group, 'fsGroup is not the group of the image')
  expect(!spec.automountServiceAccountToken, 'a service account token is mounted')
  for (const container of all) problems.push(...securityProblems(container))

  problems.push(
    ...probeProblems(sidecar, config),
    ...mountProblems(sidecar, spec.volumes, deployed),
  )
  const secrets = new Set(
    spec.volumes.filter(({ secret }) => secret !== undefined).map(({ name }) => name),
  )
  for (const { name, volumeMounts } of all.filter((container) => container !== sidecar)) {
    const mountsSecret = volumeMounts.some((mount) => secrets.has(mount.name))
    expect(!mountsSecret, `"${name}" mounts the secret of the sidecar`)
  }
  const [address] = config.listen.map((listener) => listener.address)
  if (isSidecarContainer && address?.kind === 'tcp') {
    expect(address.host === '127.0.0.1', '"listen" is open to other pods')
    const url = `http://127.0.0.1:${address.port}`
    const values = spec.containers.flatMap(({ env }) => env.map(({ value }) => value))
    expect(values.includes(url), `no container has ${url} in its environment`)
  }
  return problems
}

function securityProblems({ name, securityContext, resources, image }: Container): string[] {
  const expected = {
    runAsNonRoot: true,
    readOnlyRootFilesystem: true,
    allowPrivilegeEscalation: false,
    capabilities: { drop: ['ALL'] },
    seccompProfile: { type: 'RuntimeDefault' },
  }
  const wrong = Object.entries(expected).filter(
    ([key, value]) => JSON.stringify(securityContext[key]) !== JSON.stringify(value),
  )
  return [
    ...wrong.map(([key]) => `"${name}" has no safe ${key}`),
    ...(resources.limits['memory'] === undefined ? [`"${name}" has no limit of memory`] : []),
    ...(resources.limits['cpu'] === undefined ? [] : [`"${name}" has a limit of CPU`]),
    ...(resources.requests['memory'] === undefined ? [`"${name}" requests no memory`] : []),
    ...imageProblems(image),
  ]
}

/** An image must have a version tag. */
export function imageProblems(image: string): string[] {
  const tag = /:(?<tag>[\w.-]+)(?:@sha256:[\da-f]{64})?$/.exec(image)?.groups?.['tag']
  const isPinned = tag !== undefined && /\d+\.\d+/.test(tag)
  return isPinned ? [] : [`the image "${image}" is not pinned`]
}

function probeProblems(sidecar: Container, { admin: address }: Deployed['config']): string[] {
  const admin = address.kind === 'tcp' ? address : undefined
  const { startupProbe, livenessProbe, readinessProbe } = sidecar
  const probes = [startupProbe, livenessProbe, readinessProbe].flatMap((probe) =>
    probe === undefined ? [] : [probe.httpGet],
  )
  return [
    ...(startupProbe === undefined ? ['there is no startup probe'] : []),
    ...(livenessProbe?.httpGet.path === '/livez' ? [] : ['the liveness probe does not ask /livez']),
    ...(admin?.host === '0.0.0.0' ? [] : ['probes do not reach "admin"']),
    ...probes.flatMap(({ path, port }) => {
      const number = sidecar.ports.find(({ name }) => name === port)?.containerPort ?? port
      return [
        ...(number === admin?.port ? [] : [`the probe of ${path} asks another port than "admin"`]),
        ...(['/livez', '/readyz'].includes(path) ? [] : [`the probe asks ${path}`]),
      ]
    }),
  ]
}

function mountProblems(
  { volumeMounts }: Container,
  volumes: PodTemplate['spec']['volumes'],
  { files }: Deployed,
): string[] {
  const { configFile } = readImage()
  const mountOf = (file: string) =>
    volumeMounts.find(({ mountPath }) => join(mountPath) === dirname(file))
  const volumeOf = (file: string) => volumes.find(({ name }) => name === mountOf(file)?.name)
  return [
    ...(volumeOf(configFile)?.configMap === undefined
      ? [`no ConfigMap is mounted for ${configFile}`]
      : []),
    ...files.flatMap((file) => {
      const secret = volumeOf(file)?.secret
      if (secret === undefined) return [`no Secret is mounted for ${file}`]
      return secret.defaultMode === 0o440 ? [] : [`the mode of ${file} is not 0440`]
    }),
    ...volumeMounts.flatMap(({ mountPath, readOnly, subPath }) => [
      ...(readOnly ? [] : [`${mountPath} can be written`]),
      ...(subPath === undefined ? [] : [`${mountPath} never changes, because of subPath`]),
    ]),
  ]
}
