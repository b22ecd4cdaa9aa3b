// The last failures of the sidecar itself.

/** @import { FailureStatus } from '../status.ts' */

import { byId, cell, element, keyedList, replaceText, rowHeader, setText } from './document.js'
import { secondsSince, status } from './sidecar.js'
import { matches, showEmpty } from './tables.js'
import { clockTime, roughly } from './words.js'

/** Older failures are not highlighted. */
const RECENT_SECONDS = 600

export function showFailures() {
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
      rowHeader(route ?? 'no route'),
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
