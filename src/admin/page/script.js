// The script of the status page: asks every few seconds, and shows. It runs in the browser as it
// stands here. What it is told goes into text nodes and attributes only, never into markup.

/** @import { FailureStatus, RouteStatus, Status, TokenStatus } from '../status.ts' */
/** @import { HistoryReading } from '../../observe/route-history.ts' */

const POLL_MS = 5_000
/** More routes than this are shown when somebody asks for them. */
const FIRST_ROUTES = 200
/** A failure that is older is history, and no alarm. */
const RECENT_SECONDS = 600

/**
 * What a chart shows of one route, the newest last.
 *
 * @typedef {{
 *   requests: number[],
 *   errors: number[],
 *   p50Seconds: (number | null)[],
 *   p95Seconds: (number | null)[],
 * }} Samples
 */

/** @type {Status | undefined} */
let status
/** When it came, by the clock that is never set. */
let receivedAtMs = 0
/** Since when the sidecar does not answer. */
let /** @type {Date | undefined} */ silentSince
let showsAllRoutes = false

/** @type {Map<string, Samples>} */
let samplesByRoute = new Map()
/** Of which process the samples are, and which of them is the newest. */
let known = { startedAt: '', latest: 0, length: 60, intervalSeconds: 10 }

// Asking

async function poll() {
  try {
    const signal = AbortSignal.timeout(POLL_MS - 500)
    const answer = await ask('/status', signal)
    if (answer.startedAt !== known.startedAt) {
      samplesByRoute = new Map()
      known = { ...known, startedAt: answer.startedAt, latest: 0 }
    }
    addSamples(await ask(`/status/history?after=${known.latest}`, signal))
    status = answer
    receivedAtMs = performance.now()
    silentSince = undefined
  } catch {
    silentSince ??= new Date()
  }
  show()
  showRoutes()
}

/**
 * @param {string} path
 * @param {AbortSignal} signal
 */
async function ask(path, signal) {
  const response = await fetch(path, { signal, cache: 'no-store' })
  if (!response.ok) throw new Error(`${path} answered ${response.status}`)
  return await response.json()
}

/** @param {HistoryReading} reading */
function addSamples({ latest, length, intervalSeconds, routes }) {
  const count = Math.min(latest - known.latest, length)
  if (count > 0) {
    const news = new Map(routes.map((route) => [route.route, route]))
    for (const name of new Set([...samplesByRoute.keys(), ...news.keys()])) {
      const before = samplesByRoute.get(name)
      const added = news.get(name)
      /**
       * @template T
       * @param {readonly T[] | undefined} old
       * @param {readonly T[] | undefined} next
       * @param {T} nothing
       */
      const joined = (old, next, nothing) =>
        [...(old ?? []), ...(next ?? Array.from({ length: count }, () => nothing))].slice(-length)
      samplesByRoute.set(name, {
        requests: joined(before?.requests, added?.requests, 0),
        errors: joined(before?.errors, added?.errors, 0),
        p50Seconds: joined(before?.p50Seconds, added?.p50Seconds, null),
        p95Seconds: joined(before?.p95Seconds, added?.p95Seconds, null),
      })
    }
  }
  known = { ...known, latest, length, intervalSeconds }
}

// Showing

/** What changes with every second. */
function show() {
  if (status === undefined) {
    if (silentSince === undefined) return
    byId('main').hidden = false
    setText('readiness-title', 'No answer')
    byId('readiness').dataset['state'] = 'unknown'
    showReasons([`The sidecar has not answered since ${clockTime(silentSince)}; asking again.`])
    return
  }
  byId('main').hidden = false
  const { ready, reasons, configuration } = status
  const state = silentSince !== undefined ? 'unknown' : ready ? 'ready' : 'not-ready'
  const title = { unknown: 'No answer', ready: 'Ready', 'not-ready': 'Not ready' }[state]
  byId('readiness').dataset['state'] = state
  document.documentElement.dataset['state'] = state
  setText('readiness-title', title)
  document.title = `${title} – token-sidecar`
  showIcon(state)
  showReasons(
    silentSince === undefined
      ? reasons
      : [
          `The sidecar has not answered since ${clockTime(silentSince)}: it has ended, or this machine cannot reach it. What you see is from before. Asking again every ${POLL_MS / 1000} seconds.`,
        ],
  )
  setText(
    'freshness',
    silentSince === undefined ? `As of ${clockTime(new Date(status.at))}` : 'Out of date',
  )
  showFacts([
    ['Version', status.version],
    ['Running for', roughly(secondsSince(status.startedAt))],
    ['Configuration', configuration.version],
    ['Loaded', `${roughly(secondsSince(configuration.loadedAt))} ago`],
    ['Node', status.node],
  ])
  byId('problems').hidden = configuration.problems.length === 0
  showProblems(configuration.problems.map((problem, index) => [`${index} ${problem}`, problem]))
  showTokens()
  showFailures()
}

/** @param {readonly string[]} reasons */
function showReasons(reasons) {
  updateReasons(reasons.map((reason) => [reason, reason]))
}

const updateReasons = keyedList('reasons', textItem)
const showProblems = keyedList('problem-list', textItem)
const updateFacts = keyedList('facts', (/** @type {readonly [string, string]} */ [name]) => {
  const value = element('dd')
  return {
    element: element('div', {}, element('dt', {}, name), value),
    update: ([, text]) => replaceText(value, text),
  }
})

/** @param {readonly (readonly [string, string])[]} facts */
function showFacts(facts) {
  updateFacts(facts.map((fact) => [fact[0], fact]))
}

function showTokens() {
  const tokens = status?.tokens ?? []
  const troubled = tokens.filter((token) => tokenState(token).rank > 0)
  setText('token-count', countOf(tokens.length, troubled.length, 'with a problem'))
  byId('token-count').classList.toggle('bad', troubled.length > 0)
  const shown = tokens.filter(({ token, credential }) => matches(token, credential))
  showEmpty('token', shown.length, tokens.length, 'No route needs a token.')
  updateTokens(
    byRank(shown, (token) => tokenState(token).rank).map((token) => [token.token, token]),
  )
}

const updateTokens = keyedList('token-rows', (/** @type {TokenStatus} */ { token, credential }) => {
  const state = element('span', { class: 'state' })
  const trouble = element('div', { class: 'trouble', hidden: '' })
  const reason = element('p', { class: 'reason' })
  const advice = element('p')
  const next = element('p')
  trouble.append(
    reason,
    advice,
    next,
    element('p', {}, 'To ask again now: ', element('code', {}, renewCommand(credential))),
  )
  const left = element('div', { class: 'left' })
  const bar = element('div', {
    class: 'meter',
    role: 'meter',
    'aria-label': `Lifetime left of token ${token}`,
    'aria-valuemin': '0',
    'aria-valuemax': '100',
  })
  const fill = element('div')
  bar.append(fill)
  const leftText = element('span')
  left.append(bar, leftText)
  const age = element('span')
  const waiting = element('span')
  const row = element(
    'tr',
    { role: 'row' },
    element(
      'th',
      { role: 'rowheader', scope: 'row' },
      token,
      ...(token === credential
        ? []
        : [element('span', { class: 'detail' }, `credential ${credential}`)]),
    ),
    cell('State', 'prose', state, trouble),
    cell('Expires', 'wide', left),
    cell('Age', 'number', age),
    cell('Requests waiting', 'number', waiting),
  )
  return {
    element: row,
    /** @param {TokenStatus} current */
    update(current) {
      const { failure } = current
      const { words, level } = tokenState(current)
      row.dataset['level'] = level
      replaceText(state, words)
      trouble.hidden = failure === undefined
      if (failure !== undefined) {
        replaceText(reason, failure.reason)
        replaceText(advice, failure.advice)
        replaceText(next, nextAttempt(current.requesting, secondsUntil(failure.nextAttemptAt)))
      }
      const { lifetimeSeconds = 0, expiresAt } = current
      const remaining = expiresAt === undefined ? 0 : Math.max(0, secondsUntil(expiresAt))
      const share = lifetimeSeconds > 0 ? Math.min(1, remaining / lifetimeSeconds) : 0
      bar.hidden = remaining === 0
      fill.style.transform = `scaleX(${share})`
      const expiry =
        expiresAt === undefined
          ? 'no token'
          : remaining > 0
            ? `in ${duration(remaining)}`
            : `${roughly(secondsSince(expiresAt))} ago`
      replaceText(leftText, expiry)
      bar.setAttribute('aria-valuenow', String(Math.round(share * 100)))
      bar.setAttribute('aria-valuetext', expiry)
      replaceText(
        age,
        current.obtainedAt === undefined ? '–' : roughly(secondsSince(current.obtainedAt)),
      )
      replaceText(waiting, String(current.waiting))
    },
  }
})

/**
 * @param {boolean} isRequesting
 * @param {number} seconds
 */
function nextAttempt(isRequesting, seconds) {
  if (isRequesting) return 'It is being asked for again now.'
  return seconds > 0
    ? `Next attempt in ${duration(seconds)}.`
    : 'Next attempt as soon as a request needs it.'
}

/** @param {TokenStatus} token */
function tokenState({ usable, requesting, failure, obtainedAt }) {
  if (usable && failure === undefined) return { words: 'Usable', level: 'good', rank: 0 }
  if (usable) return { words: 'Usable, but cannot be renewed', level: 'warning', rank: 1 }
  if (failure !== undefined) {
    return { words: 'None: requests that need it fail', level: 'bad', rank: 2 }
  }
  if (requesting) return { words: 'Being asked for', level: 'idle', rank: 0 }
  return obtainedAt === undefined
    ? { words: 'Not asked for yet', level: 'idle', rank: 0 }
    : { words: 'Expired unused; the next request gets a new one', level: 'idle', rank: 0 }
}

function showFailures() {
  const failures = status?.failures ?? []
  const [newest] = failures
  const agoSeconds = newest === undefined ? Infinity : secondsSince(newest.lastAt)
  setText(
    'failure-count',
    newest === undefined ? '0' : `${failures.length}, the last ${roughly(agoSeconds)} ago`,
  )
  byId('failure-count').classList.toggle('bad', agoSeconds < RECENT_SECONDS)
  const shown = failures.filter(({ route, code, reason }) => matches(route ?? '', code, reason))
  showEmpty('failure', shown.length, failures.length, 'None since the sidecar started.')
  updateFailures(shown.map((failure) => [`${failure.code} ${failure.route ?? ''}`, failure]))
}

const updateFailures = keyedList('failure-rows', (/** @type {FailureStatus} */ { route, code }) => {
  const time = element('time')
  const ago = element('span', { class: 'detail' })
  const reason = element('p', { class: 'reason' })
  const advice = element('p')
  const count = element('span')
  const since = element('span', { class: 'detail' })
  return {
    element: element(
      'tr',
      { role: 'row' },
      cell('Last time', '', time, ago),
      element('th', { role: 'rowheader', scope: 'row' }, route ?? 'no route'),
      cell('What went wrong', 'prose', reason, advice, element('code', {}, code)),
      cell('Times', 'number', count, since),
    ),
    /** @param {FailureStatus} failure */
    update(failure) {
      time.setAttribute('datetime', failure.lastAt)
      replaceText(time, clockTime(new Date(failure.lastAt)))
      replaceText(ago, `${roughly(secondsSince(failure.lastAt))} ago`)
      replaceText(reason, failure.reason)
      replaceText(advice, failure.advice)
      replaceText(count, failure.count.toLocaleString('en-GB'))
      replaceText(since, failure.count > 1 ? `in ${roughly(secondsSince(failure.firstAt))}` : '')
    },
  }
})

/** What changes only with an answer, or with the filter. */
function showRoutes() {
  const routes = status?.routes ?? []
  const troubledTokens = new Set(
    status?.tokens.filter(({ usable, failure }) => !usable && failure).map(({ token }) => token),
  )
  /** @param {RouteStatus} route */
  const rank = ({ token, lastMinute }) =>
    token !== undefined && troubledTokens.has(token) ? 2 : (lastMinute.errorShare ?? 0) > 0 ? 1 : 0
  const troubled = routes.filter((route) => rank(route) > 0)
  setText('route-count', countOf(routes.length, troubled.length, 'with errors'))
  byId('route-count').classList.toggle('bad', troubled.length > 0)
  const found = routes.filter(({ route, match, upstream, credential }) =>
    matches(route, match.host ?? '', match.path, upstream, credential),
  )
  showEmpty('route', found.length, routes.length, 'There are no routes.')
  const shown = byRank(found, rank).slice(0, showsAllRoutes ? undefined : FIRST_ROUTES)
  updateRoutes(
    shown.map((route) => [
      `${route.route} ${route.upstream} ${JSON.stringify(route.match)}`,
      { route, lacks: rank(route) === 2 },
    ]),
  )
  const button = byId('show-all')
  button.hidden = shown.length === found.length
  setText('show-all', `Show all ${found.length} routes`)
  setText(
    'filtered',
    filterWords().length === 0 ? '' : `${found.length} of ${routes.length} routes match`,
  )
}

const updateRoutes = keyedList(
  'route-rows',
  (/** @type {{ route: RouteStatus, lacks: boolean }} */ { route }) => {
    const inFlight = element('span')
    const rate = figure('Requests per second')
    const latency = figure('Latency')
    const errors = figure('Share of errors')
    const lack = element('span', { class: 'state', hidden: '' })
    const { host = '', path, methods = [] } = route.match
    const row = element(
      'tr',
      { role: 'row' },
      element(
        'th',
        { role: 'rowheader', scope: 'row' },
        route.route,
        element('span', { class: 'detail' }, `${methods.join(', ')} ${host}${path}`.trim()),
        lack,
      ),
      cell(
        'Upstream',
        'wide',
        element('span', { class: 'address' }, route.upstream),
        element(
          'span',
          { class: 'detail' },
          route.credential === 'none' ? 'without a token' : `credential ${route.credential}`,
        ),
      ),
      cell('In flight', 'number', inFlight),
      cell('Requests', 'figure', rate.text, rate.chart),
      cell('Latency, p50 · p95', 'figure', latency.text, latency.chart),
      cell('Errors', 'figure errors', errors.text, errors.chart),
    )
    return {
      element: row,
      update({ route: current, lacks }) {
        const { requestsPerSecond, errorShare, p50Seconds, p95Seconds } = current.lastMinute
        const samples = samplesByRoute.get(current.route)
        row.dataset['level'] = lacks ? 'bad' : (errorShare ?? 0) > 0 ? 'warning' : 'good'
        lack.hidden = !lacks
        if (lacks) replaceText(lack, `Its token ${current.token ?? ''} cannot be had`)
        replaceText(inFlight, String(current.inFlight))
        rate.update(
          `${rateText(requestsPerSecond)}/s`,
          [samples?.requests.map((count) => count / known.intervalSeconds) ?? []],
          rateText,
        )
        latency.update(
          p50Seconds === undefined
            ? '–'
            : `${latencyText(p50Seconds)} · ${latencyText(p95Seconds ?? 0)}`,
          [samples?.p95Seconds ?? [], samples?.p50Seconds ?? []],
          latencyText,
        )
        errors.update(
          errorShare === undefined ? '–' : percent(errorShare),
          [
            samples?.errors.map((count, index) => count / (samples.requests[index] || Infinity)) ??
              [],
          ],
          percent,
          1,
        )
        errors.text.classList.toggle('bad', (errorShare ?? 0) > 0)
      },
    }
  },
)

// Charts

/**
 * A figure with the chart of its last minutes; the first series is an area, the others are lines.
 *
 * @param {string} name
 */
function figure(name) {
  const text = element('span', { class: 'value' })
  const chart = svg('svg', {
    class: 'chart',
    role: 'img',
    viewBox: '0 0 60 20',
    preserveAspectRatio: 'none',
  })
  const area = svg('path', { class: 'area' })
  const lines = [svg('path', { class: 'line' }), svg('path', { class: 'line second' })]
  chart.append(area, ...lines)
  return {
    text,
    chart,
    /**
     * @param {string} words
     * @param {readonly (readonly (number | null)[])[]} series
     * @param {(value: number) => string} format
     * @param {number} [top]
     */
    update(words, series, format, top) {
      replaceText(text, words)
      const values = (series[0] ?? []).filter((value) => value !== null)
      const most = Math.max(0, ...values)
      const scale = (top ?? most) || 1
      setAttribute(
        chart,
        'aria-label',
        most === 0
          ? `${name}, last ten minutes: ${values.length === 0 ? 'nothing to show' : 'always zero'}`
          : `${name}, last ten minutes: from ${format(Math.min(...values))} to ${format(most)}`,
      )
      setAttribute(area, 'd', areaPath(series[0] ?? [], scale))
      for (const [index, line] of lines.entries()) {
        setAttribute(line, 'd', most === 0 ? '' : linePath(series[index] ?? [], scale))
      }
    },
  }
}

/**
 * The newest value is at the right edge, and a sample is one unit wide.
 *
 * @param {readonly (number | null)[]} values
 * @param {number} scale
 */
function points(values, scale) {
  return values.map((value, index) => ({
    x: 60 - values.length + index,
    y: value === null ? undefined : round(19 - (value / scale) * 17),
  }))
}

/**
 * Steps, because a value stands for a span of time; a gap where there was nothing to measure.
 *
 * @param {readonly (number | null)[]} values
 * @param {number} scale
 */
function linePath(values, scale) {
  let isDrawing = false
  return points(values, scale)
    .map(({ x, y }) => {
      if (y === undefined) {
        isDrawing = false
        return ''
      }
      const start = isDrawing ? `V${y}` : `M${x} ${y}`
      isDrawing = true
      return `${start}H${x + 1}`
    })
    .join('')
}

/**
 * @param {readonly (number | null)[]} values
 * @param {number} scale
 */
function areaPath(values, scale) {
  return points(values, scale)
    .map(({ x, y }) => (y === undefined || y >= 19 ? '' : `M${x} 19V${y}H${x + 1}V19Z`))
    .join('')
}

// Words

/** @param {number} seconds */
function duration(seconds) {
  const whole = Math.max(0, Math.round(seconds))
  if (whole < 60) return `${whole} s`
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`
  if (whole < 86_400) return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`
  return `${Math.floor(whole / 86_400)} d ${Math.floor((whole % 86_400) / 3600)} h`
}

/**
 * For what need not be known to the second.
 *
 * @param {number} seconds
 */
function roughly(seconds) {
  const [most = ''] = duration(seconds).split(/(?<=[a-z]) /)
  return most
}

/** @param {number} seconds */
function latencyText(seconds) {
  if (seconds >= 1) return `${seconds.toFixed(1)} s`
  return seconds >= 0.01 ? `${Math.round(seconds * 1000)} ms` : `${(seconds * 1000).toFixed(1)} ms`
}

/** @param {number} perSecond */
function rateText(perSecond) {
  if (perSecond === 0) return '0'
  if (perSecond < 0.1) return perSecond.toFixed(2)
  return perSecond < 10 ? perSecond.toFixed(1) : Math.round(perSecond).toLocaleString('en-GB')
}

/** @param {number} share */
function percent(share) {
  if (share === 0) return '0%'
  return share < 0.001
    ? '<0.1%'
    : share < 0.1
      ? `${(share * 100).toFixed(1)}%`
      : `${Math.round(share * 100)}%`
}

/** @param {Date} date */
function clockTime(date) {
  return date.toLocaleTimeString('en-GB')
}

/**
 * @param {number} count
 * @param {number} troubled
 * @param {string} what
 */
function countOf(count, troubled, what) {
  return troubled === 0 ? String(count) : `${count}, ${troubled} ${what}`
}

/** @param {string} credential */
function renewCommand(credential) {
  return `curl -X POST ${location.origin}/credentials/${credential}/renew`
}

/** @param {number} value */
function round(value) {
  return Math.round(value * 100) / 100
}

// Time, as the sidecar knows it: the clock of this machine may be another

/** @param {string} iso */
function secondsSince(iso) {
  const sinceAnswer = performance.now() - receivedAtMs
  return (Date.parse(status?.at ?? iso) - Date.parse(iso) + sinceAnswer) / 1000
}

/** @param {string} iso */
function secondsUntil(iso) {
  return -secondsSince(iso)
}

// The filter, and what comes first

function filterWords() {
  const input = byId('filter')
  const text = input instanceof HTMLInputElement ? input.value : ''
  return text
    .toLowerCase()
    .split(/\s+/)
    .filter((word) => word !== '')
}

/** @param {readonly string[]} texts */
function matches(...texts) {
  const all = texts.join(' ').toLowerCase()
  return filterWords().every((word) => all.includes(word))
}

/**
 * The worst first, and otherwise as in the configuration: rows should not jump about.
 *
 * @template T
 * @param {readonly T[]} items
 * @param {(item: T) => number} rank
 */
function byRank(items, rank) {
  return items.toSorted((a, b) => rank(b) - rank(a))
}

/**
 * @param {'token' | 'failure' | 'route'} kind
 * @param {number} shown
 * @param {number} all
 * @param {string} none
 */
function showEmpty(kind, shown, all, none) {
  byId(`${kind}-table`).hidden = shown === 0
  byId(`no-${kind}s`).hidden = shown > 0
  setText(`no-${kind}s`, all === 0 ? none : 'None matches the filter.')
}

// The document

/**
 * Keeps one element for each key, so that focus and selection survive an update.
 *
 * @template T
 * @param {string} id
 * @param {(value: T) => { element: HTMLElement, update: (value: T) => void }} make
 * @returns {(entries: readonly (readonly [string, T])[]) => void}
 */
function keyedList(id, make) {
  /** @type {Map<string, ReturnType<typeof make>>} */
  const items = new Map()
  return (entries) => {
    const parent = byId(id)
    const keys = new Set(entries.map(([key]) => key))
    for (const [key, item] of items) {
      if (keys.has(key)) continue
      item.element.remove()
      items.delete(key)
    }
    for (const [index, [key, value]] of entries.entries()) {
      const item = items.get(key) ?? make(value)
      items.set(key, item)
      item.update(value)
      const there = parent.children[index]
      if (there !== item.element) parent.insertBefore(item.element, there ?? null)
    }
  }
}

/** @param {string} text */
function textItem(text) {
  return { element: element('li', {}, text), update() {} }
}

/**
 * A cell that can also stand alone, under its own label, where the table is too wide.
 *
 * @param {string} label
 * @param {string} className
 * @param {readonly Node[]} children
 */
function cell(label, className, ...children) {
  return element('td', { role: 'cell', class: className, 'data-label': label }, ...children)
}

/**
 * @param {string} name
 * @param {Readonly<Record<string, string>>} attributes
 * @param {readonly (Node | string)[]} children
 */
function element(name, attributes = {}, ...children) {
  const made = document.createElement(name)
  for (const [attribute, value] of Object.entries(attributes)) made.setAttribute(attribute, value)
  made.append(...children)
  return made
}

/**
 * @param {string} name
 * @param {Readonly<Record<string, string>>} attributes
 */
function svg(name, attributes) {
  const made = document.createElementNS('http://www.w3.org/2000/svg', name)
  for (const [attribute, value] of Object.entries(attributes)) made.setAttribute(attribute, value)
  return made
}

/** @param {string} id */
function byId(id) {
  const found = document.getElementById(id)
  if (found === null) throw new Error(`The page has no element "${id}"`)
  return found
}

/**
 * @param {string} id
 * @param {string} text
 */
function setText(id, text) {
  replaceText(byId(id), text)
}

/**
 * Only where it is another: whatever reads aloud would repeat it.
 *
 * @param {Element} target
 * @param {string} text
 */
function replaceText(target, text) {
  if (target.textContent !== text) target.textContent = text
}

/**
 * @param {Element} target
 * @param {string} name
 * @param {string} value
 */
function setAttribute(target, name, value) {
  if (target.getAttribute(name) !== value) target.setAttribute(name, value)
}

const ICON_COLOURS = { ready: '%231a7f37', 'not-ready': '%23c62828', unknown: '%23767676' }

/** @param {keyof typeof ICON_COLOURS} state */
function showIcon(state) {
  const icon = document.querySelector('link[rel=icon]')
  const shape = state === 'ready' ? "<circle cx='8' cy='8' r='7'" : "<path d='M8 1l7 14H1z'"
  if (icon !== null) {
    setAttribute(
      icon,
      'href',
      `data:image/svg+xml,<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'>${shape} fill='${ICON_COLOURS[state]}'/></svg>`,
    )
  }
}

// Beginning

setText('renew-command', renewCommand('NAME'))
byId('filter').addEventListener('input', () => {
  show()
  showRoutes()
})
byId('show-all').addEventListener('click', () => {
  showsAllRoutes = true
  showRoutes()
})

async function pollForever() {
  for (;;) {
    await poll()
    await nextTurn()
  }
}

/** A page that nobody sees asks nothing; one that is looked at again asks at once. */
async function nextTurn() {
  await new Promise((resolve) => setTimeout(resolve, POLL_MS))
  while (document.hidden) {
    await new Promise((resolve) =>
      document.addEventListener('visibilitychange', resolve, { once: true }),
    )
  }
}

setInterval(() => {
  if (!document.hidden) show()
}, 1_000)
void pollForever()
