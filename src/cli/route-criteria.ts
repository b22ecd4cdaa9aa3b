import type { RouteMatch } from '../routing/route-table.ts'

/** The criteria of a route as `check` and `explain` print them; null for any. */
export type RouteCriteria = {
  readonly host: string | null
  readonly path: string
  readonly methods: readonly string[] | null
}

export function routeCriteria({ host, prefix, methods }: RouteMatch): RouteCriteria {
  return {
    host: host ?? null,
    path: prefix === '' ? '/' : prefix,
    methods: methods === undefined ? null : [...methods],
  }
}
