type Matcher = { readonly label: string; readonly operator: string; readonly value: string }

type Selector = { readonly metric: string; readonly matchers: readonly Matcher[] }

const SELECTOR =
  /\b(?<metric>(?:token_sidecar|process)_\w+|\w+:\w+(?::\w+)?|up|ALERTS)\b(?:\{(?<matchers>[^}]*)\})?/g
const MATCHER = /(?<label>\w+)\s*(?<operator>=~|!~|!=|=)\s*"(?<value>[^"]*)"/g
const GROUPING = /\b(?:by|without|on|ignoring|group_left|group_right)\s*\((?<labels>[^)]*)\)/g

/** The selectors of a PromQL expression: metrics of the sidecar, recorded ones, and those of Prometheus. */
export function selectorsOf(expr: string): Selector[] {
  return [...expr.matchAll(SELECTOR)].map(({ groups }) => ({
    metric: groups?.['metric'] ?? '',
    matchers: [...(groups?.['matchers'] ?? '').matchAll(MATCHER)].map((match) => ({
      label: match.groups?.['label'] ?? '',
      operator: match.groups?.['operator'] ?? '',
      value: match.groups?.['value'] ?? '',
    })),
  }))
}

/** The labels that a PromQL expression groups or joins by. */
export function groupingLabelsOf(expr: string): string[] {
  return [...expr.matchAll(GROUPING)]
    .flatMap(({ groups }) => (groups?.['labels'] ?? '').split(','))
    .map((label) => label.trim())
    .filter((label) => label !== '')
}

/** Whether the matcher matches at least one of these values. */
export function matchesAny({ operator, value }: Matcher, values: Iterable<string>): boolean {
  const isNegated = operator.startsWith('!')
  const whole = new RegExp(`^(?:${value})$`)
  const isEqual = (found: string): boolean =>
    operator.endsWith('~') ? whole.test(found) : found === value
  return [...values].some((found) => isEqual(found) !== isNegated)
}
