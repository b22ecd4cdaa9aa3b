// The protocols of applications and APIs, and their HTTP/2 connections.

/** @import { ProtocolStatus } from '../status.ts' */

import { cell, element, keyedList, replaceText, rowHeader } from './document.js'
import { status } from './sidecar.js'

export function showProtocols() {
  if (status === undefined) return
  const { client, upstream } = status.protocols
  updateProtocols([
    ['Applications', { side: 'Applications', ...client }],
    ['APIs', { side: 'APIs', ...upstream }],
  ])
}

/** The usual names for the protocol identifiers of ALPN (RFC 7301). */
const NAMES = new Map([
  ['http/1.0', 'HTTP/1.0'],
  ['http/1.1', 'HTTP/1.1'],
  ['h2', 'HTTP/2'],
])

const updateProtocols = keyedList(
  'protocol-rows',
  (/** @type {ProtocolStatus & { side: string }} */ { side }) => {
    const requests = element('span')
    const connections = element('span')
    const streams = element('span')
    const goaways = element('span')
    const resets = element('span')
    return {
      element: element(
        'tr',
        { role: 'row' },
        rowHeader(side),
        cell('Requests by protocol', 'wide', requests),
        cell('HTTP/2 connections', 'number', connections),
        cell('Open streams', 'number', streams),
        cell('GOAWAY', '', goaways),
        cell('RST_STREAM', '', resets),
      ),
      update(current) {
        const { http2 } = current
        replaceText(requests, requestsText(current.requests))
        replaceText(connections, String(http2.connections))
        replaceText(streams, String(http2.streams))
        replaceText(goaways, framesText(http2.goaways))
        replaceText(resets, framesText(http2.resets))
      },
    }
  },
)

/** @param {ProtocolStatus['requests']} requests */
function requestsText(requests) {
  const counts = Object.entries(requests).map(
    ([protocol, count]) => `${count.toLocaleString('en-GB')} × ${NAMES.get(protocol) ?? protocol}`,
  )
  return counts.join(', ') || '–'
}

/** @param {ProtocolStatus['http2']['resets']} frames */
function framesText(frames) {
  const counts = frames.map(
    ({ direction, reason, count }) => `${count.toLocaleString('en-GB')} × ${reason} ${direction}`,
  )
  return counts.join(', ') || '–'
}
