// Polls the sidecar and updates the page.

import { byId, setText } from './document.js'
import { showFailures } from './failures.js'
import { showInterception } from './interception.js'
import { showOverview } from './overview.js'
import { showProtocols } from './protocols.js'
import { showRejections } from './rejections.js'
import { showAllRoutes, showRoutes } from './routes.js'
import { POLL_MS, refresh, status } from './sidecar.js'
import { showTokens } from './tokens.js'
import { renewCommand } from './words.js'

/** The parts that change every second. */
function show() {
  showOverview()
  if (status === undefined) return
  showRejections()
  showInterception()
  showTokens()
  showFailures()
  showProtocols()
}

/** All parts, after a response or a change of the filter. */
function showAll() {
  show()
  showRoutes()
}

async function pollForever() {
  for (;;) {
    await refresh()
    showAll()
    await nextTurn()
  }
}

/** A hidden page does not poll; it does so at once when it becomes visible. */
async function nextTurn() {
  await new Promise((resolve) => setTimeout(resolve, POLL_MS))
  while (document.hidden) {
    await new Promise((resolve) =>
      document.addEventListener('visibilitychange', resolve, { once: true }),
    )
  }
}

setText('renew-command', renewCommand('NAME'))
byId('filter').addEventListener('input', showAll)
byId('problems-only').addEventListener('change', showAll)
byId('show-all').addEventListener('click', showAllRoutes)
setInterval(() => {
  if (!document.hidden) show()
}, 1_000)
void pollForever()
