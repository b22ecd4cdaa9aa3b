// Readiness, and facts about the process.

/** @import { Status } from '../status.ts' */

import {
  byId,
  element,
  keyedList,
  replaceText,
  setAttribute,
  setText,
  textItem,
} from './document.js'
import { POLL_MS, secondsSince, silentSince, status } from './sidecar.js'
import { clockTime, roughly } from './words.js'

/** Longer lists would push the tables out of sight. */
const MAX_REASONS = 6

export function showOverview() {
  if (status === undefined) {
    if (silentSince === undefined) return
    byId('main').hidden = false
    showState('unknown', 'No response')
    showReasons([`The sidecar has not responded since ${clockTime(silentSince)}; retrying.`])
    return
  }
  byId('main').hidden = false
  const { reasons, warnings, configuration } = status
  const { state, title } = readinessOf(status)
  showState(state, title)
  showReasons(
    silentSince === undefined
      ? [...reasons, ...warnings]
      : [
          `The sidecar has not responded since ${clockTime(silentSince)}: it has exited, or this machine cannot reach it. This page shows an earlier state. Retrying every ${POLL_MS / 1000} seconds.`,
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
}

/**
 * @param {Status} current
 * @returns {{ state: keyof typeof ICONS, title: string }}
 */
function readinessOf({ ready, warnings, routes, configuration }) {
  if (silentSince !== undefined) return { state: 'unknown', title: 'No response' }
  if (!ready) return { state: 'not-ready', title: 'Not ready' }
  const rejecting = routes.filter(({ rejection }) => rejection?.everyRequestRejected).length
  if (rejecting > 0) {
    const what = rejecting === 1 ? 'one API rejects' : `${rejecting} APIs reject`
    return { state: 'warning', title: `Ready, but ${what} every request` }
  }
  if (warnings.length > 0) return { state: 'warning', title: 'Ready, with warnings' }
  return configuration.problems.length > 0
    ? { state: 'warning', title: 'Ready, with an old configuration' }
    : { state: 'ready', title: 'Ready' }
}

/**
 * @param {keyof typeof ICONS} state
 * @param {string} title
 */
function showState(state, title) {
  byId('readiness').dataset['state'] = state
  document.documentElement.dataset['state'] = state
  setText('readiness-title', title)
  document.title = `${title} – token-sidecar`
  const icon = document.querySelector('link[rel=icon]')
  if (icon === null) return
  setAttribute(
    icon,
    'href',
    `data:image/svg+xml,<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'>${ICONS[state]}</svg>`,
  )
}

const ICONS = {
  ready: "<circle cx='8' cy='8' r='7' fill='%231a7f37'/>",
  warning: "<path d='M8 0l8 8-8 8-8-8z' fill='%23b36b00'/>",
  'not-ready': "<path d='M8 1l7 14H1z' fill='%23c62828'/>",
  unknown: "<path d='M8 1l7 14H1z' fill='%23767676'/>",
}

/** @param {readonly string[]} reasons */
function showReasons(reasons) {
  const more = reasons.length - MAX_REASONS
  const shown =
    more > 1 ? [...reasons.slice(0, MAX_REASONS), `and ${more} more, in the tables below`] : reasons
  updateReasons(shown.map((reason) => [reason, reason]))
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
