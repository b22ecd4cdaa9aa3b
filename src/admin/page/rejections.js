// Routes whose API rejects requests, with the claims of the rejected token.

/** @import { RejectionStatus, RouteStatus } from '../status.ts' */

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
import { matches, showEmpty } from './tables.js'
import { duration, roughly } from './words.js'

/** @typedef {{ route: RouteStatus, rejection: RejectionStatus }} Rejecting */

export function showRejections() {
  const rejecting = (status?.routes ?? [])
    .flatMap((route) =>
      route.rejection === undefined || route.warning === undefined
        ? []
        : [{ route, rejection: route.rejection }],
    )
    .toSorted(
      (a, b) =>
        Number(b.rejection.everyRequestRejected) - Number(a.rejection.everyRequestRejected) ||
        b.rejection.lastAt.localeCompare(a.rejection.lastAt),
    )
  byId('rejections').hidden = rejecting.length === 0
  byId('rejection-link').hidden = rejecting.length === 0
  setText('rejection-count', String(rejecting.length))
  const shown = rejecting.filter(({ route: { route, match, upstream, credential } }) =>
    matches(route, match.host ?? '', match.path, upstream, credential),
  )
  showEmpty('rejection', shown.length, rejecting.length, '')
  updateRejections(shown.map((each) => [`${each.route.route} ${each.route.upstream}`, each]))
}

const updateRejections = keyedList('rejection-rows', (/** @type {Rejecting} */ { route }) => {
  const state = element('p', { class: 'state' })
  const fresh = element('p')
  const advice = element('p')
  const times = element('p', { class: 'detail' })
  const opaque = element('p', { class: 'detail' })
  const token = pairs('Issuer', 'Audience', 'Scopes', 'Expiry')
  const upstream = element('span', { class: 'detail' })
  replaceText(upstream, route.upstream)
  const row = element(
    'tr',
    { role: 'row' },
    rowHeader(route.route, upstream),
    cell('What happened', 'prose', state, fresh, times),
    cell('Rejected token', 'wide', opaque, token.element),
    cell('What to do', 'wide', advice),
  )
  return {
    element: row,
    /** @param {Rejecting} current */
    update({ rejection }) {
      const { everyRequestRejected, hasToken } = rejection
      row.dataset['level'] = everyRequestRejected ? 'bad' : 'warning'
      replaceText(state, stateText(rejection))
      fresh.hidden = !hasToken
      replaceText(
        fresh,
        rejection.freshTokenRejected
          ? 'A freshly issued token was rejected, too.'
          : 'No freshly issued token has been rejected so far.',
      )
      const since = roughly(secondsSince(rejection.firstAt))
      const last = roughly(secondsSince(rejection.lastAt))
      replaceText(
        times,
        rejection.count === 1
          ? `Once, ${last} ago`
          : `${rejection.count.toLocaleString('en-GB')} times in ${since}, the last ${last} ago`,
      )
      replaceText(advice, rejection.advice)
      opaque.hidden = hasToken && rejection.token?.format === 'JWT'
      replaceText(opaque, hasToken ? 'Opaque: it has no readable claims.' : 'None was added.')
      token.update(...tokenTexts(rejection.token))
    },
  }
})

/** @param {RejectionStatus} rejection */
function stateText({ everyRequestRejected, hasToken, status: code, challenge }) {
  const response = challenge === undefined ? String(code) : `${code} ${challenge}`
  if (!everyRequestRejected) return `Some requests rejected, the last with ${response}`
  return `Every ${hasToken ? 'token' : 'request'} rejected, the last with ${response}`
}

/**
 * @param {RejectionStatus['token']} token
 * @returns {(string | undefined)[]}
 */
function tokenTexts(token) {
  if (token === undefined) return []
  const { format, issuer, audience, scopes, expiresAt } = token
  const isJwt = format === 'JWT'
  const left = expiresAt === undefined ? 0 : secondsUntil(expiresAt)
  const expiry =
    expiresAt === undefined
      ? undefined
      : left > 0
        ? `in ${duration(left)}`
        : `${roughly(-left)} ago: it has expired`
  return [
    issuer ?? (isJwt ? 'none' : undefined),
    audience.length > 0 ? audience.join(', ') : isJwt ? 'none' : undefined,
    scopes.length > 0 ? scopes.join(' ') : isJwt ? 'none' : undefined,
    expiry,
  ]
}
