// The tokens that routes need.

/** @import { TokenStatus } from '../status.ts' */

import {
  byId,
  cell,
  element,
  keyedList,
  pairs,
  replaceText,
  rowHeader,
  setText,
} from './document.js'
import { secondsSince, secondsUntil, status } from './sidecar.js'
import { matches, showEmpty, showsProblemsOnly, sortable } from './tables.js'
import { countOf, duration, roughly } from './words.js'

export function showTokens() {
  const tokens = status?.tokens ?? []
  const troubled = tokens.filter((token) => tokenState(token).rank > 0)
  setText('token-count', countOf(tokens.length, troubled.length, 'with a problem'))
  byId('token-count').classList.toggle('bad', troubled.length > 0)
  const shown = tokens.filter(
    (token) =>
      matches(token.token, token.credential, originOf(token), token.clientId ?? '') &&
      (!showsProblemsOnly() || tokenState(token).rank > 0),
  )
  showEmpty('token', shown.length, tokens.length, 'No route needs a token.')
  updateTokens(tokensInOrder(shown).map((token) => [token.token, token]))
}

const tokensInOrder = sortable(
  'token',
  (/** @type {TokenStatus} */ token) => tokenState(token).rank,
  {
    name: { name: 'Name', first: 'ascending', value: ({ token }) => token },
    state: { name: 'State', first: 'descending', value: (token) => tokenState(token).rank },
    origin: { name: 'Issuer', first: 'ascending', value: originOf },
    expiry: { name: 'Expiry', first: 'ascending', value: ({ expiresAt }) => expiresAt ?? '' },
    age: { name: 'Age', first: 'descending', value: ({ ageSeconds }) => ageSeconds ?? -1 },
    waiting: { name: 'Requests waiting', first: 'descending', value: ({ waiting }) => waiting },
  },
  showTokens,
)

/** @param {TokenStatus} token */
function originOf({ issuer, tokenEndpoint }) {
  return issuer ?? tokenEndpoint ?? ''
}

const updateTokens = keyedList('token-rows', (/** @type {TokenStatus} */ { token, credential }) => {
  const state = element('span', { class: 'state' })
  const reason = element('p', { class: 'reason' })
  const advice = element('p')
  const next = element('p')
  const trouble = element(
    'div',
    { class: 'trouble', hidden: '' },
    reason,
    advice,
    next,
    element('p', {}, 'A change of the secret, key or configuration is tried at once.'),
  )
  const origin = pairs('Issuer', 'Token endpoint', 'Client', 'Scopes', 'Not granted', 'Audience')
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
  const details =
    token === credential ? [] : [element('span', { class: 'detail' }, `credential ${credential}`)]
  const row = element(
    'tr',
    { role: 'row' },
    rowHeader(token, ...details),
    cell('State', 'prose', state, trouble),
    cell('Issuer, client, scopes and audience', 'wide', origin.element),
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
      origin.update(...originTexts(current))
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
 * @param {TokenStatus} token
 * @returns {(string | undefined)[]}
 */
function originTexts({ issuer, tokenEndpoint, clientId, requested, scopes, claims }) {
  const granted = scopes?.granted ?? requested.scopes
  const unreported = scopes?.unreported
    ? ' (as requested; the server does not report what it granted)'
    : ''
  const audience =
    claims === undefined || claims.audience.length === 0
      ? [...requested.audience, ...requested.resource]
      : claims.audience
  return [
    issuer,
    tokenEndpoint,
    clientId,
    granted.length === 0 ? 'none' : granted.join(' ') + unreported,
    scopes === undefined || scopes.missing.length === 0 ? undefined : scopes.missing.join(' '),
    audience.length === 0 ? undefined : audience.join(', '),
  ]
}

/**
 * @param {boolean} isRequesting
 * @param {number} seconds
 */
function nextAttempt(isRequesting, seconds) {
  if (isRequesting) return 'It is being requested again.'
  return seconds > 0
    ? `Next attempt in ${duration(seconds)}.`
    : 'Next attempt as soon as a request needs it.'
}

/** @param {TokenStatus} token */
function tokenState({ usable, requesting, failure, obtainedAt, scopes }) {
  if (usable && failure !== undefined) {
    return { words: 'Usable, but cannot be renewed', level: 'warning', rank: 2 }
  }
  if (usable && scopes !== undefined && scopes.missing.length > 0) {
    return { words: 'Usable, with fewer scopes than requested', level: 'warning', rank: 1 }
  }
  if (usable) return { words: 'Usable', level: 'good', rank: 0 }
  if (failure !== undefined) {
    return { words: 'Not available: requests that need it fail', level: 'bad', rank: 3 }
  }
  if (requesting) return { words: 'Being requested', level: 'idle', rank: 0 }
  return obtainedAt === undefined
    ? { words: 'Not requested yet', level: 'idle', rank: 0 }
    : { words: 'Expired unused; the next request gets a new one', level: 'idle', rank: 0 }
}
