// The routes, with their figures and charts.

/** @import { RouteStatus } from '../status.ts' */

import { figure } from './charts.js'
import {
  breakable,
  byId,
  cell,
  element,
  keyedList,
  replaceText,
  rowHeader,
  setText,
} from './document.js'
import { known, samplesByRoute, status } from './sidecar.js'
import { filterWords, matches, showEmpty, showsProblemsOnly, sortable } from './tables.js'
import { countOf, latencyText, percent, rateText } from './words.js'

/** Further routes are shown on request. */
const FIRST_ROUTES = 200

let showsAllRoutes = false

export function showAllRoutes() {
  showsAllRoutes = true
  showRoutes()
}

/** The names of unavailable tokens. */
let /** @type {Set<string>} */ missingTokens = new Set()

export function showRoutes() {
  const routes = status?.routes ?? []
  missingTokens = new Set(
    status?.tokens.filter(({ usable, failure }) => !usable && failure).map(({ token }) => token),
  )
  const troubled = routes.filter((route) => routeState(route).rank > 0)
  setText('route-count', countOf(routes.length, troubled.length, 'with a problem'))
  byId('route-count').classList.toggle('bad', troubled.length > 0)
  const found = routes.filter(
    (route) =>
      matches(
        route.route,
        route.match.host ?? '',
        route.match.path,
        route.upstream,
        route.credential,
      ) &&
      (!showsProblemsOnly() || routeState(route).rank > 0),
  )
  showEmpty('route', found.length, routes.length, 'There are no routes.')
  const shown = routesInOrder(found).slice(0, showsAllRoutes ? undefined : FIRST_ROUTES)
  updateRoutes(
    shown.map((route) => [
      `${route.route} ${route.upstream} ${JSON.stringify(route.match)}`,
      route,
    ]),
  )
  byId('show-all').hidden = shown.length === found.length
  setText('show-all', `Show all ${found.length} routes`)
  const isFiltered = filterWords().length > 0 || showsProblemsOnly()
  setText('filtered', isFiltered ? `${found.length} of ${routes.length} routes match` : '')
}

const routesInOrder = sortable(
  'route',
  (/** @type {RouteStatus} */ route) => routeState(route).rank,
  {
    name: { name: 'Name', first: 'ascending', value: ({ route }) => route },
    upstream: { name: 'Upstream', first: 'ascending', value: ({ upstream }) => upstream },
    inFlight: { name: 'In flight', first: 'descending', value: ({ inFlight }) => inFlight },
    rate: {
      name: 'Requests',
      first: 'descending',
      value: ({ lastMinute }) => lastMinute.requestsPerSecond,
    },
    latency: {
      name: 'Latency, p95',
      first: 'descending',
      value: ({ lastMinute }) => lastMinute.p95Seconds ?? -1,
    },
    errors: {
      name: 'Errors, 5xx',
      first: 'descending',
      value: ({ lastMinute }) => lastMinute.errorShare ?? -1,
    },
    rejections: {
      name: '401 and 403',
      first: 'descending',
      value: ({ lastMinute, rejection }) =>
        rejectedShare(lastMinute) ?? (rejection?.everyRequestRejected ? 0 : -1),
    },
  },
  showRoutes,
)

/** @param {RouteStatus['lastMinute']} figures */
function rejectedShare({ requests, unauthorized, forbidden }) {
  return requests === 0 ? undefined : Math.min(1, (unauthorized + forbidden) / requests)
}

/** @param {RouteStatus} route */
function routeState({ token, lastMinute, rejection, warning }) {
  if (token !== undefined && missingTokens.has(token)) {
    return { words: `Its token ${token} is not available`, level: 'bad', rank: 4 }
  }
  if (rejection?.everyRequestRejected) {
    const what = rejection.hasToken ? 'token' : 'request'
    return { words: `Every ${what} rejected: ${rejection.status}`, level: 'bad', rank: 3 }
  }
  if (warning !== undefined) return { words: 'Requests rejected', level: 'warning', rank: 2 }
  return (lastMinute.errorShare ?? 0) > 0
    ? { words: 'Errors', level: 'warning', rank: 1 }
    : { words: '', level: 'good', rank: 0 }
}

const updateRoutes = keyedList('route-rows', (/** @type {RouteStatus} */ route) => {
  const inFlight = element('span')
  const rate = figure('Requests per second', { format: rateText })
  const latency = figure('Latency', { format: latencyText })
  const errors = figure('Share of errors', { format: percent, hideZero: true, max: 1 })
  const rejected = figure('Share of 401 and 403', { format: percent, hideZero: true, max: 1 })
  const counts = element('span', { class: 'detail' })
  const state = element('span', { class: 'state' })
  const { host = '', path, methods = [] } = route.match
  const row = element(
    'tr',
    { role: 'row' },
    rowHeader(
      route.route,
      element(
        'span',
        { class: 'detail' },
        ...breakable(`${methods.join(', ')} ${host}${path}`.trim()),
      ),
      state,
    ),
    cell(
      'Upstream',
      'wide',
      element('span', {}, ...breakable(route.upstream)),
      element(
        'span',
        { class: 'detail' },
        ...breakable(
          route.credential === 'none' ? 'without a token' : `credential ${route.credential}`,
        ),
      ),
    ),
    cell('In flight', 'number', inFlight),
    cell('Requests', 'figure', rate.text, rate.plot),
    cell('Latency, p50 · p95', 'figure', latency.text, latency.plot),
    cell('Errors, 5xx', 'figure errors', errors.text, errors.plot),
    cell('401 and 403', 'figure errors', rejected.text, counts, rejected.plot),
  )
  return {
    element: row,
    /** @param {RouteStatus} current */
    update(current) {
      const { requestsPerSecond, errorShare, p50Seconds, p95Seconds, unauthorized, forbidden } =
        current.lastMinute
      const samples = samplesByRoute.get(current.route)
      // A route without requests has no charts, so that its row is short.
      const used = samples?.requests.some((count) => count > 0) ? samples : undefined
      const { words, level } = routeState(current)
      row.dataset['level'] = level
      state.hidden = words === ''
      replaceText(state, words)
      replaceText(inFlight, String(current.inFlight))
      rate.update(
        rateText(requestsPerSecond),
        used?.requests.map((count) => count / known.intervalSeconds) ?? [],
      )
      latency.update(
        p50Seconds === undefined
          ? '–'
          : `${latencyText(p50Seconds)} · ${latencyText(p95Seconds ?? 0)}`,
        used?.p95Seconds ?? [],
        used?.p50Seconds ?? [],
      )
      errors.update(
        errorShare === undefined ? '–' : percent(errorShare),
        sharesOf(used?.errors, used?.requests),
      )
      errors.text.classList.toggle('bad', (errorShare ?? 0) > 0)
      const share = rejectedShare(current.lastMinute)
      rejected.update(
        share === undefined ? '–' : percent(share),
        sharesOf(used?.rejections, used?.requests),
      )
      rejected.text.classList.toggle('bad', current.warning !== undefined)
      counts.hidden = unauthorized + forbidden === 0
      replaceText(counts, `${unauthorized} × 401, ${forbidden} × 403`)
    },
  }
})

/**
 * @param {readonly number[]} counts
 * @param {readonly number[]} totals
 */
function sharesOf(counts = [], totals = []) {
  return counts.map((count, index) => Math.min(1, count / (totals[index] || Infinity)))
}
