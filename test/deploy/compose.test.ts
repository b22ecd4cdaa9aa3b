import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { parse } from 'yaml'
import * as z from 'zod'
import { loadDeployed } from '../helpers/deployed-config.ts'
import { imageProblems } from '../helpers/pod-rules.ts'
import { readImage } from '../helpers/shipped-image.ts'

const TOP = 'deploy/compose'

const hardened = {
  user: z.string(),
  read_only: z.literal(true),
  cap_drop: z.tuple([z.literal('ALL')]),
  security_opt: z.tuple([z.literal('no-new-privileges:true')]),
  restart: z.literal('unless-stopped'),
}
const server = z.strictObject({
  image: z.string(),
  volumes: z.array(z.string()),
  ports: z.array(z.string().regex(/^127\.0\.0\.1:\d+:\d+$/)),
  networks: z.array(z.string()),
  environment: z.record(z.string(), z.string()).optional(),
  depends_on: z.array(z.string()).optional(),
  restart: z.literal('unless-stopped'),
})
const compose = z.strictObject({
  name: z.string(),
  services: z.strictObject({
    'token-sidecar': z.strictObject({
      image: z.string(),
      build: z.string(),
      healthcheck: z.strictObject({
        test: z.array(z.string()),
        interval: z.string(),
        timeout: z.string(),
        retries: z.number(),
        start_period: z.string(),
      }),
      mem_limit: z.string(),
      stop_grace_period: z.string().regex(/^\d+s$/),
      configs: z.tuple([z.strictObject({ source: z.string(), target: z.string() })]),
      secrets: z.array(z.string()),
      networks: z.array(z.string()),
      ...hardened,
    }),
    application: z.strictObject({
      image: z.string(),
      network_mode: z.literal('service:token-sidecar'),
      depends_on: z.record(
        z.string(),
        z.strictObject({ condition: z.literal('service_healthy'), restart: z.literal(true) }),
      ),
      environment: z.record(z.string(), z.string()),
      command: z.array(z.string()),
      ...hardened,
    }),
    prometheus: server,
    grafana: server,
  }),
  configs: z.record(z.string(), z.strictObject({ file: z.string() })),
  secrets: z.record(z.string(), z.strictObject({ file: z.string() })),
  networks: z.record(z.string(), z.null()),
  volumes: z.record(z.string(), z.null()),
})

const TEXT = readFileSync(`${TOP}/compose.yaml`, 'utf8')
const { services, configs, secrets, networks } = compose.parse(parse(TEXT))
const { 'token-sidecar': sidecar, application, prometheus, grafana } = services
const MOUNTED = [...prometheus.volumes, ...grafana.volumes]
  .map((volume) => volume.split(':')[0] ?? '')
  .filter((source) => source.startsWith('.'))

async function deployed() {
  const file = configs[sidecar.configs[0].source]?.file ?? ''
  return await loadDeployed(readFileSync(join(TOP, file), 'utf8'))
}

test.for([
  ['read_only: true', 'read_only: false'],
  ['cap_drop: [ALL]', 'cap_drop: []'],
  ['no-new-privileges:true', 'no-new-privileges:false'],
  ['network_mode: service:token-sidecar', 'network_mode: host'],
  ['127.0.0.1:19091:9090', '19091:9090'],
  ['restart: unless-stopped', 'restrat: unless-stopped'],
] as const)('the rules for the compose file reject a change of %j to %j', ([right, wrong]) => {
  expect(TEXT).toContain(right)
  expect(compose.safeParse(parse(TEXT.replace(right, wrong))).success).toBe(false)
})

test('every image has a version tag, and the sidecar that of this version', () => {
  const images = Object.values(services).map(({ image }) => image)
  expect(images.flatMap(imageProblems)).toEqual([])
  expect(sidecar.image).toBe(`token-sidecar:${readImage().version}`)
  expect(existsSync(join(TOP, sidecar.build, 'Dockerfile'))).toBe(true)
})

test('the configuration is valid, and refers to the mounted secret', async () => {
  const { warnings, files } = await deployed()
  // Prometheus scrapes metrics from another container.
  expect(warnings).toEqual([
    expect.stringMatching(/^every machine that can connect to this address can read the status/),
  ])
  expect(files).toEqual(sidecar.secrets.map((name) => `/run/secrets/${name}`))
  expect(Object.keys(secrets)).toEqual(sidecar.secrets)
})

test('the user and the configuration path are those of the image', () => {
  const { user, group, configFile } = readImage()
  expect(sidecar.user).toBe(`${user}:${group}`)
  expect(sidecar.configs[0].target).toBe(configFile)
})

test('only the application can reach the listener, and Prometheus the metrics', async () => {
  const { config } = await deployed()
  const { ports } = readImage()
  expect(config.listen.map(({ address }) => address)).toEqual([
    { kind: 'tcp', host: '127.0.0.1', port: ports[0] },
  ])
  expect(config.admin).toEqual({ kind: 'tcp', host: '0.0.0.0', port: ports[1] })
  expect(application.environment).toEqual({ ORDERS_URL: `http://127.0.0.1:${ports[0]}` })
  expect(readFileSync(join(TOP, 'prometheus.yaml'), 'utf8')).toContain(
    `'token-sidecar:${ports[1]}'`,
  )
  expect(prometheus.networks.every((name) => sidecar.networks.includes(name))).toBe(true)
})

test('the application starts after the sidecar is ready', () => {
  expect(sidecar.healthcheck.test).toEqual(['CMD', 'node', '/app/cli.js', 'health', '--ready'])
  expect(application.depends_on).toHaveProperty('token-sidecar')
})

test('stop_grace_period is longer than the shutdown deadline', async () => {
  const { config } = await deployed()
  expect(Number.parseInt(sidecar.stop_grace_period, 10) * 1000).toBeGreaterThan(
    config.shutdown.deadline,
  )
})

test('networks, files and volumes of services exist', () => {
  for (const { networks: names } of [sidecar, prometheus, grafana]) {
    expect(names.filter((name) => !Object.hasOwn(networks, name))).toEqual([])
  }
  const files = [...Object.values(configs).map(({ file }) => file), ...MOUNTED]
  expect(files.length).toBeGreaterThan(5)
  expect(files.filter((file) => !existsSync(join(TOP, file)))).toEqual([])
})

test('Grafana finds Prometheus and the dashboard', () => {
  const sources = readFileSync(join(TOP, 'grafana/datasources.yaml'), 'utf8')
  expect(sources).toContain('url: http://prometheus:9090\n')
  const { path } = /path: (?<path>\S+)/.exec(
    readFileSync(join(TOP, 'grafana/dashboards.yaml'), 'utf8'),
  )?.groups ?? { path: 'nowhere' }
  expect(grafana.volumes.some((volume) => volume.includes(`:${path}/`))).toBe(true)
})
