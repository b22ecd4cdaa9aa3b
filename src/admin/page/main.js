// Asks every few seconds, and shows what comes.

import { byId, setText } from './document.js'
import { showFailures } from './failures.js'
import { showOverview } from './overview.js'
import { showRejections } from './rejections.js'
import { showAllRoutes, showRoutes } from './routes.js'
import { POLL_MS, refresh, status } from './sidecar.js'
import { showTokens } from './tokens.js'
import { renewCommand } from './words.js'

/** What changes with every second. */
function show() {
  showOverview()
  if (status === undefined) return
  showRejections()
  showTokens()
  showFailures()
}

/** What changes only with a response, or with the filter. */
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

/** A hidden page asks nothing; one that is looked at again asks at once. */
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
