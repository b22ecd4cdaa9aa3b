import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import * as z from 'zod'
import {
  ALERTS,
  RECORDED,
  RULE_TESTS_FILE,
  RULES,
  RULES_FILE,
  RUNBOOK_SECTIONS,
} from '../helpers/alert-rules.ts'
import { missingIn, readExposedSeries } from '../helpers/exposed-series.ts'
import { promtool, SKIPS_PROMTOOL } from '../helpers/promtool.ts'

describe.skipIf(SKIPS_PROMTOOL)('promtool (skipped where there is none)', () => {
  test('finds nothing wrong with the rules', () => {
    const { status, output } = promtool('check', 'rules', RULES_FILE)
    expect({ status, output }).toMatchObject({ status: 0 })
    expect(output).toContain(`${RULES.length} rules found`)
  })

  test('sees each alert fire when it should, and only then', () => {
    const { status, output } = promtool('test', 'rules', RULE_TESTS_FILE)
    expect({ status, output }).toMatchObject({ status: 0 })
  })
})

test('the rules use only metrics and labels of /metrics', async () => {
  const series = await readExposedSeries()
  expect(RULES.flatMap(({ expr }) => missingIn(expr, series, RECORDED))).toEqual([])
})

test('metrics and labels that /metrics does not have are detected', async () => {
  const series = await readExposedSeries()
  expect(
    missingIn('sum by (rout) (rate(token_sidecar_request_total{route="orders"}[5m]))', series),
  ).toEqual(['rout', 'token_sidecar_request_total', 'token_sidecar_request_total{route="orders"}'])
  expect(missingIn('token_sidecar_requests_total{status="500", method!="GET"}', series)).toEqual([
    'token_sidecar_requests_total{status="500"}',
    'token_sidecar_requests_total{method!="GET"}',
  ])
})

test('rules are unique, and recording rules are used or documented', () => {
  const names = RULES.map((rule) => ('alert' in rule ? rule.alert : rule.record))
  expect(names).toEqual([...new Set(names)])
  expect(ALERTS.length).toBeGreaterThan(15)
  const docs = readFileSync('docs/metrics.md', 'utf8')
  const used = [docs, ...RULES.map(({ expr }) => expr)].join('\n')
  expect(RECORDED.filter((name) => !used.includes(name))).toEqual([])
})

test('every alert has a section in the runbook, and every section an alert', () => {
  const links = ALERTS.map(({ annotations }) => annotations.runbook_url)
  expect(links).toEqual(ALERTS.map(({ alert }) => `docs/runbook.md#${alert.toLowerCase()}`))
  expect([...RUNBOOK_SECTIONS.values()].toSorted()).toEqual(
    ALERTS.map(({ alert }) => alert).toSorted(),
  )
})

const RULE_TESTS = z
  .object({
    tests: z.array(
      z.object({
        name: z.string(),
        promql_expr_test: z.array(
          z.object({
            expr: z.string(),
            exp_samples: z.array(z.object({ labels: z.string() })),
          }),
        ),
      }),
    ),
  })
  .parse(parse(readFileSync(RULE_TESTS_FILE, 'utf8'))).tests

function firing(alert: string): string {
  return `ALERTS{alertname="${alert}", alertstate="firing"}`
}

test.for(ALERTS)(
  '$alert has a test in which it fires, and one in which it does not',
  ({ alert }) => {
    // One list of samples for each evaluation of the alert, in each test that has any.
    const looks = RULE_TESTS.map((one) =>
      one.promql_expr_test
        .filter(({ expr }) => expr === firing(alert))
        .map((look) => look.exp_samples),
    ).filter((some) => some.length > 0)
    expect(looks.flat().some((samples) => samples.length > 0)).toBe(true)
    expect(looks.some((some) => some.every((samples) => samples.length === 0))).toBe(true)
  },
)

test.for(ALERTS)(
  'the annotations of $alert use only labels that it has',
  ({ alert, annotations }) => {
    const texts = Object.values(annotations).join('\n')
    const named = [...texts.matchAll(/\$labels\.(?<label>\w+)/g)].map(
      ({ groups }) => groups?.['label'] ?? '',
    )
    const expected = RULE_TESTS.flatMap((one) => one.promql_expr_test)
      .filter(({ expr }) => expr === firing(alert))
      .flatMap((look) => look.exp_samples)
    for (const { labels } of expected) {
      expect(named.filter((label) => !labels.includes(` ${label}="`))).toEqual([])
    }
  },
)
