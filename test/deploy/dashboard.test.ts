import { readFileSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { stringify } from 'yaml'
import * as z from 'zod'
import { RUNBOOK_SECTIONS } from '../helpers/alert-rules.ts'
import { missingIn, readExposedSeries } from '../helpers/exposed-series.ts'
import { promtool, SKIPS_PROMTOOL } from '../helpers/promtool.ts'
import { temporaryDirectory } from '../helpers/sidecar.ts'

const FILE = 'deploy/grafana/token-sidecar.json'
const TEXT = readFileSync(FILE, 'utf8')

const datasource = z.object({ type: z.literal('prometheus'), uid: z.literal('${datasource}') })
const gridPos = z.object({ x: z.int(), y: z.int(), w: z.int(), h: z.int() })
const panel = z.discriminatedUnion('type', [
  z.object({ type: z.literal('row'), id: z.int(), title: z.string().min(1), gridPos }),
  z.object({
    type: z.enum(['timeseries', 'stat']),
    id: z.int(),
    title: z.string().min(1),
    description: z.string().min(40),
    datasource,
    gridPos,
    links: z.array(z.object({ title: z.string(), url: z.string() })),
    targets: z
      .array(
        z.object({ refId: z.string(), datasource, expr: z.string(), legendFormat: z.string() }),
      )
      .min(1),
    fieldConfig: z.object({ defaults: z.object({ unit: z.string().min(1) }) }),
  }),
])
const variable = z.object({
  name: z.string(),
  type: z.string(),
  definition: z.string().optional(),
})

const DASHBOARD = z
  .object({
    title: z.string(),
    schemaVersion: z.int().min(39),
    panels: z.array(panel),
    templating: z.object({ list: z.array(variable) }),
    annotations: z.object({ list: z.array(z.object({ datasource, expr: z.string() })) }),
  })
  .parse(JSON.parse(TEXT))

const VARIABLES = DASHBOARD.templating.list
const PANELS = DASHBOARD.panels.filter((one) => one.type !== 'row')
const EXPRESSIONS = [
  ...PANELS.flatMap(({ targets }) => targets.map(({ expr }) => expr)),
  ...DASHBOARD.annotations.list.map(({ expr }) => expr),
]

test('every panel has a unique id and a unique title', () => {
  const ids = DASHBOARD.panels.map(({ id }) => id)
  const titles = DASHBOARD.panels.map(({ title }) => title)
  expect(ids).toEqual([...new Set(ids)])
  expect(titles).toEqual([...new Set(titles)])
  expect(PANELS.length).toBeGreaterThan(25)
})

test('panels do not overlap, and none is wider than the page', () => {
  const taken = new Set<string>()
  for (const { title, gridPos: at } of DASHBOARD.panels) {
    expect([title, at.x + at.w <= 24]).toEqual([title, true])
    for (let x = at.x; x < at.x + at.w; x += 1) {
      for (let y = at.y; y < at.y + at.h; y += 1) {
        expect([title, taken.has(`${x},${y}`)]).toEqual([title, false])
        taken.add(`${x},${y}`)
      }
    }
  }
})

test('the data source is set by a variable only', () => {
  const uids = [...TEXT.matchAll(/"uid": "(?<uid>[^"]*)"/g)].map(({ groups }) => groups?.['uid'])
  expect(new Set(uids)).toEqual(new Set(['${datasource}', 'token-sidecar']))
  expect(uids.filter((uid) => uid === 'token-sidecar')).toHaveLength(1)
})

test('every used variable is defined, and every defined one is used', () => {
  const builtIn = new Set(['__rate_interval', '__all'])
  const used = [...TEXT.matchAll(/\$\{?(?<name>\w+)/g)].map(({ groups }) => groups?.['name'] ?? '')
  expect([...new Set(used)].filter((name) => !builtIn.has(name)).toSorted()).toEqual(
    VARIABLES.map(({ name }) => name).toSorted(),
  )
})

test('colours are named, for the dark and the light theme', () => {
  expect(TEXT).not.toMatch(/#[\da-f]{3,8}"|rgba?\(/i)
})

test('links lead to sections of the runbook', () => {
  const links = PANELS.flatMap((one) => one.links.map(({ url }) => url))
  expect(links.length).toBeGreaterThan(15)
  for (const link of links) {
    const [file, anchor = ''] = link.split('#')
    expect([file, RUNBOOK_SECTIONS.has(anchor)]).toEqual(['${runbook}', true])
  }
})

test('the dashboard uses only metrics and labels of /metrics', async () => {
  const series = await readExposedSeries()
  const choices = VARIABLES.flatMap(({ definition = '' }) => definition)
  expect([...EXPRESSIONS, ...choices].flatMap((expr) => missingIn(expr, series))).toEqual([])
})

test.skipIf(SKIPS_PROMTOOL)(
  'every expression is valid PromQL (skipped without promtool)',
  async () => {
    const file = join(await temporaryDirectory(), 'expressions.yaml')
    const rules = EXPRESSIONS.map((expr, index) => ({
      record: `dashboard:expression:${index}`,
      expr: expr.replaceAll('$__rate_interval', '5m'),
    }))
    await writeFile(file, stringify({ groups: [{ name: 'dashboard', rules }] }))
    const { status, output } = promtool('check', 'rules', file)
    expect({ status, output }).toMatchObject({ status: 0 })
    expect(output).toContain(`${EXPRESSIONS.length} rules found`)
  },
)
