import { readFileSync } from 'node:fs'
import { parse } from 'yaml'
import * as z from 'zod'

const rule = z.union([
  z.strictObject({ record: z.string(), expr: z.string() }),
  z.strictObject({
    alert: z.string(),
    expr: z.string(),
    for: z.string().optional(),
    labels: z.strictObject({ severity: z.enum(['critical', 'warning']) }),
    annotations: z.strictObject({
      summary: z.string(),
      description: z.string(),
      runbook_url: z.string(),
    }),
  }),
])

export const RULES_FILE = 'deploy/prometheus/rules.yaml'
export const RULE_TESTS_FILE = 'deploy/prometheus/rules.test.yaml'

export const RULES = z
  .strictObject({
    groups: z.array(z.strictObject({ name: z.string(), rules: z.array(rule) })),
  })
  .parse(parse(readFileSync(RULES_FILE, 'utf8')))
  .groups.flatMap(({ rules }) => rules)

export const ALERTS = RULES.filter((one) => 'alert' in one)
export const RECORDED = RULES.flatMap((one) => ('record' in one ? [one.record] : []))

/** Alert names of the sections of the runbook, by the anchor of the heading. */
export const RUNBOOK_SECTIONS: ReadonlyMap<string, string> = new Map(
  [...readFileSync('docs/runbook.md', 'utf8').matchAll(/^## (?<name>TokenSidecar\w+)$/gm)].map(
    ({ groups }) => {
      const name = groups?.['name'] ?? ''
      return [name.toLowerCase(), name]
    },
  ),
)
