import type { Plan, PlannedListener, PlannedRoute } from './check-report.ts'
import { describeWebPages } from './describe-web-pages.ts'
import { formatLines } from './format-lines.ts'
import type { Paint } from './paint.ts'

/** The listeners and the routes as text. */
export function formatPlan(
  { listeners, admin, routes, webPageOrigins }: Plan,
  paint: Paint,
): string {
  const names = widthOf(routes.map(({ name }) => name))
  const matches = widthOf(routes.map(formatMatch))
  const lines = routes.map((route) => {
    const token = route.credential === null ? '(no token)' : `(${route.credential})`
    return [
      `  ${paint('bold', route.name.padEnd(names))}`,
      formatMatch(route).padEnd(matches),
      `→ ${route.upstream} ${route.proxy === null ? '' : `through ${route.proxy} `}${paint(route.credential === null ? 'dim' : 'green', token)}${
        route.listeners === null ? '' : ` on ${route.listeners.join(', ')}`
      }\n`,
    ].join('  ')
  })
  const addresses = formatLines(
    [
      ...listeners.map((listener) => ['listen', formatListener(listener, listeners)] as const),
      ['admin', admin],
      ...(webPageOrigins.length === 0
        ? []
        : [['web pages', describeWebPages(webPageOrigins)] as const]),
    ],
    paint,
  )
  return `${addresses}\n${lines.join('')}`
}

/** `127.0.0.1:8080`, or `app 127.0.0.1:8080 (TLS, password)` if there are several. */
function formatListener(
  { name, address, mode, tls, callers }: PlannedListener,
  all: readonly PlannedListener[],
): string {
  const features = [
    ...(mode === 'transparent' ? ['transparent'] : []),
    ...(tls ? ['TLS'] : []),
    ...callers,
  ]
  const shown = features.length === 0 ? undefined : `(${features.join(', ')})`
  return [all.length > 1 && name, address, shown].filter(Boolean).join(' ')
}

/** `GET, HEAD api.example.com/orders` */
function formatMatch({ host, path, methods }: PlannedRoute): string {
  const place = host === null ? path : host + path.replace(/^\/$/, '')
  return [methods?.join(', '), place].filter(Boolean).join(' ')
}

function widthOf(texts: readonly string[]): number {
  return Math.max(0, ...texts.map((text) => text.length))
}
