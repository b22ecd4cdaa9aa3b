import { readFileSync } from 'node:fs'
import { parseAllDocuments } from 'yaml'
import * as z from 'zod'

/** A YAML file as Kubernetes reads it: version 1.1, in which 0440 is octal. */
export function readDocuments(text: string): unknown[] {
  return parseAllDocuments(text, { version: '1.1', uniqueKeys: true }).flatMap((document) => {
    const [error] = document.errors
    if (error !== undefined) throw error
    const value: unknown = document.toJS()
    return value === null ? [] : [value]
  })
}

const schemas = z
  .object({ kinds: z.record(z.string(), z.string()), $defs: z.record(z.string(), z.unknown()) })
  .parse(JSON.parse(readFileSync('test/fixtures/kubernetes/schemas-1.29.json', 'utf8')))

const objectMeta = z.strictObject({
  name: z.string(),
  labels: z.record(z.string(), z.string()).optional(),
})
const image = z.strictObject({
  name: z.string(),
  newName: z.string(),
  newTag: z.string().optional(),
  digest: z.string().optional(),
})
const kustomization = {
  resources: z.array(z.string()).optional(),
  components: z.array(z.string()).optional(),
  configMapGenerator: z
    .array(z.strictObject({ name: z.string(), files: z.array(z.string()) }))
    .optional(),
  patches: z
    .array(
      z.strictObject({
        target: z.strictObject({ kind: z.string(), name: z.string() }),
        patch: z.string(),
      }),
    )
    .optional(),
  images: z.array(image).optional(),
}

/** By apiVersion and kind. Schemas of kinds that are not part of Kubernetes have only the members used here. */
const KINDS = new Map<string, z.ZodType>([
  ...Object.entries(schemas.kinds).map(
    ([kind, $ref]) => [kind, z.fromJSONSchema({ $ref, $defs: definitions() })] as const,
  ),
  [
    'kustomize.config.k8s.io/v1beta1 Kustomization',
    z.strictObject({ apiVersion: z.string(), kind: z.string(), ...kustomization }),
  ],
  [
    'kustomize.config.k8s.io/v1alpha1 Component',
    z.strictObject({ apiVersion: z.string(), kind: z.string(), ...kustomization }),
  ],
  [
    'monitoring.coreos.com/v1 PodMonitor',
    z.strictObject({
      apiVersion: z.string(),
      kind: z.string(),
      metadata: objectMeta,
      spec: z.strictObject({
        selector: z.strictObject({ matchLabels: z.record(z.string(), z.string()) }),
        podMetricsEndpoints: z.array(
          z.strictObject({
            port: z.string(),
            path: z.string(),
            interval: z.string().regex(/^\d+(?:ms|s|m|h)$/),
            relabelings: z.array(
              z.strictObject({ sourceLabels: z.array(z.string()), targetLabel: z.string() }),
            ),
          }),
        ),
      }),
    }),
  ],
])

function definitions() {
  return z.record(z.string(), z.record(z.string(), z.json())).parse(schemas.$defs)
}

/** Validation errors of each document of a file, as Kubernetes would report them. */
export function manifestProblems(text: string): string[] {
  return readDocuments(text).flatMap((document) => {
    const named = z.object({ apiVersion: z.string(), kind: z.string() }).safeParse(document)
    if (!named.success) return ['no apiVersion or no kind']
    const { apiVersion, kind } = named.data
    const schema = KINDS.get(`${apiVersion} ${kind}`)
    if (schema === undefined) return [`${apiVersion} ${kind}: unknown`]
    const { error } = schema.safeParse(document)
    return (error?.issues ?? []).map(({ path, message }) => `${kind} ${path.join('.')}: ${message}`)
  })
}

const probe = z.object({
  httpGet: z.object({ path: z.string(), port: z.union([z.string(), z.number()]) }),
})
const container = z.object({
  name: z.string(),
  image: z.string(),
  restartPolicy: z.string().optional(),
  ports: z.array(z.object({ name: z.string(), containerPort: z.number() })).default([]),
  env: z.array(z.object({ name: z.string(), value: z.string().optional() })).default([]),
  startupProbe: probe.optional(),
  livenessProbe: probe.optional(),
  readinessProbe: probe.optional(),
  resources: z
    .object({
      requests: z.record(z.string(), z.string()).default({}),
      limits: z.record(z.string(), z.string()).default({}),
    })
    .default({ requests: {}, limits: {} }),
  securityContext: z.record(z.string(), z.unknown()).default({}),
  volumeMounts: z
    .array(
      z.object({
        name: z.string(),
        mountPath: z.string(),
        readOnly: z.boolean().default(false),
        subPath: z.string().optional(),
      }),
    )
    .default([]),
})
const podTemplate = z.object({
  metadata: z.object({ labels: z.record(z.string(), z.string()) }),
  spec: z.object({
    terminationGracePeriodSeconds: z.number().default(30),
    automountServiceAccountToken: z.boolean().default(true),
    securityContext: z.object({ fsGroup: z.number().optional() }).default({}),
    initContainers: z.array(container).default([]),
    containers: z.array(container),
    volumes: z
      .array(
        z.object({
          name: z.string(),
          configMap: z.object({ name: z.string() }).optional(),
          secret: z.object({ secretName: z.string(), defaultMode: z.number() }).optional(),
        }),
      )
      .default([]),
  }),
})
const workload = z.object({
  spec: z.union([
    z.object({ template: podTemplate }),
    z.object({ jobTemplate: z.object({ spec: z.object({ template: podTemplate }) }) }),
  ]),
})

export type Container = z.infer<typeof container>
export type PodTemplate = z.infer<typeof podTemplate>

/** The pods that the documents of a file describe. */
export function podsOf(text: string): PodTemplate[] {
  return readDocuments(text).flatMap((document) => {
    const { data } = workload.safeParse(document)
    if (data === undefined) return []
    return ['template' in data.spec ? data.spec.template : data.spec.jobTemplate.spec.template]
  })
}
