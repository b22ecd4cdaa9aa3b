import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { parse } from 'yaml'
import * as z from 'zod'
import { chartsDigest, RENDERINGS } from '../../scripts/render-chart.ts'
import { loadDeployed } from '../helpers/deployed-config.ts'
import { manifestProblems, podsOf, readDocuments } from '../helpers/manifests.ts'
import { podProblems } from '../helpers/pod-rules.ts'
import { readImage } from '../helpers/shipped-image.ts'

const RENDERED = readFileSync(RENDERINGS[0].file, 'utf8')
const [, DEPLOYMENT] = readDocuments(RENDERED)

const configMap = z.object({ data: z.object({ 'token-sidecar.yaml': z.string() }) })

/** The kubelet sends probes from outside of the pod. */
const REACHABLE_ADMIN: unknown = expect.stringMatching(
  /^every machine that can connect to this address can read the status/,
)

async function renderedConfig() {
  const [document] = readDocuments(RENDERED)
  return await loadDeployed(configMap.parse(document).data['token-sidecar.yaml'])
}

test.for(RENDERINGS)(
  'the chart rendered with $values is up to date ("node scripts/render-chart.ts" writes it)',
  ({ file }) => {
    expect(readFileSync(file, 'utf8')).toContain(`\n# charts: ${chartsDigest()}\n`)
  },
)

test('the rendered manifests are valid', () => {
  expect(readDocuments(RENDERED)).toHaveLength(2)
  expect(manifestProblems(RENDERED)).toEqual([])
})

test('the rendered configuration is valid', async () => {
  const { warnings, files } = await renderedConfig()
  expect(warnings).toEqual([REACHABLE_ADMIN])
  expect(files).toEqual(['/secrets/corp-client/client-secret'])
})

test('the rendered pod is consistent with the image and the configuration', async () => {
  const deployed = await renderedConfig()
  expect(podsOf(RENDERED).map((pod) => podProblems(pod, deployed))).toEqual([[]])
})

test('the chart and the plain manifests define the same sidecar', () => {
  const plain = readFileSync('deploy/kubernetes/base/deployment.yaml', 'utf8')
  const [ours] = podsOf(RENDERED).flatMap(({ spec }) => spec.initContainers)
  const [theirs] = podsOf(plain).flatMap(({ spec }) => spec.initContainers)
  const withoutNames = (container: typeof ours) => ({
    ...container,
    volumeMounts: container?.volumeMounts.map(({ mountPath, readOnly }) => ({
      mountPath,
      readOnly,
    })),
  })
  expect(withoutNames(ours)).toEqual(withoutNames(theirs))
})

test('the pod template has a checksum of the configuration, so that a change replaces the pods', () => {
  expect(JSON.stringify(DEPLOYMENT)).toMatch(/"checksum\/token-sidecar":"[\da-f]{64}"/)
})

const chart = z.object({
  version: z.string(),
  appVersion: z.string().optional(),
  dependencies: z.array(z.object({ version: z.string() })).optional(),
})
const readChart = (name: string) =>
  chart.parse(parse(readFileSync(`deploy/helm/${name}/Chart.yaml`, 'utf8')))

test('the library chart has the version of the image', () => {
  const { version } = readImage()
  const templates = readFileSync('deploy/helm/token-sidecar/templates/_sidecar.tpl', 'utf8')
  expect(readChart('token-sidecar')).toEqual({ version, appVersion: version })
  expect(readChart('example').dependencies).toEqual([{ version }])
  expect(templates).toContain(`$version := "${version}"`)
})
