// The hosts whose TLS is intercepted, and why handshakes with applications fail.

/** @import { InterceptedHostStatus } from '../status.ts' */

import { byId, cell, element, keyedList, replaceText, rowHeader, setText } from './document.js'
import { secondsSince, status } from './sidecar.js'
import { matches, showEmpty } from './tables.js'
import { roughly } from './words.js'

export function showInterception() {
  const hosts = status?.interception ?? []
  const failing = hosts.filter(({ warning }) => warning !== undefined).length
  byId('interceptions').hidden = hosts.length === 0
  byId('interception-link').hidden = hosts.length === 0
  setText('interception-count', failing === 0 ? String(hosts.length) : `${failing} failing`)
  byId('interception-count').classList.toggle('bad', failing > 0)
  const shown = hosts.filter(({ host, lastFailure }) => matches(host, lastFailure?.reason ?? ''))
  showEmpty('interception', shown.length, hosts.length, '')
  updateInterception(shown.map((each) => [each.host, each]))
}

const updateInterception = keyedList(
  'interception-rows',
  (/** @type {InterceptedHostStatus} */ { host }) => {
    const succeeded = element('p')
    const lastSuccess = element('p', { class: 'detail' })
    const failed = element('p')
    const outcomes = element('p', { class: 'detail' })
    const reason = element('p', { class: 'state' })
    const advice = element('p')
    const time = element('p', { class: 'detail' })
    const row = element(
      'tr',
      { role: 'row' },
      rowHeader(host),
      cell('Succeeded', 'prose', succeeded, lastSuccess),
      cell('Failed', 'prose', failed, outcomes),
      cell('Last failure', 'wide', reason, advice, time),
    )
    return {
      element: row,
      /** @param {InterceptedHostStatus} current */
      update({ handshakes, warning, lastSuccessAt, lastFailure }) {
        if (warning === undefined) delete row.dataset['level']
        else row.dataset['level'] = 'warning'
        const { ok = 0, ...failures } = handshakes
        const counts = Object.entries(failures).filter(([, count]) => count > 0)
        replaceText(succeeded, ok.toLocaleString('en-GB'))
        replaceText(lastSuccess, agoOf('the last', lastSuccessAt))
        const total = counts.reduce((sum, [, count]) => sum + count, 0)
        replaceText(failed, total.toLocaleString('en-GB'))
        replaceText(outcomes, counts.map(([outcome, count]) => `${count} ${outcome}`).join(', '))
        replaceText(reason, lastFailure?.reason ?? 'None')
        replaceText(advice, lastFailure?.advice ?? '')
        replaceText(time, agoOf('', lastFailure?.at))
      },
    }
  },
)

/**
 * @param {string} what
 * @param {string | undefined} at
 */
function agoOf(what, at) {
  return at === undefined ? '' : `${what} ${roughly(secondsSince(at))} ago`.trim()
}
