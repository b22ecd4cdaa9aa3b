import { expect, test } from 'vitest'
import { forwardConfig } from '../helpers/config-text.ts'
import { CHROMIUM, openPage } from '../helpers/browser.ts'
import { startFrameUpstream } from '../helpers/frame-upstream.ts'
import {
  ERROR,
  FLAG,
  headersFrame,
  openFrameClient,
  requestFields,
  resetFrame,
} from '../helpers/http2-frames.ts'
import { startSidecar } from '../helpers/sidecar.ts'
import { MAY_SKIP } from '../helpers/tools.ts'
import { until } from '../helpers/wait.ts'

type Protocols = {
  readonly client: { readonly http2: { readonly resets: readonly unknown[] } }
}

/** A sidecar with one open client stream, after a request over HTTP/1.1 and a cancelled one over HTTP/2. */
async function startWithHttp2() {
  let isHeld = false
  const upstream = await startFrameUpstream((id, connection) => {
    if (!isHeld)
      connection.send(headersFrame(id, [':status', '204'], FLAG.END_HEADERS | FLAG.END_STREAM))
  })
  const sidecar = await startSidecar(forwardConfig(upstream.origin, 'http2: always'))
  await (await fetch(sidecar.proxyUrl)).text()
  isHeld = true
  const client = await openFrameClient(sidecar.proxyUrl)
  client.send(headersFrame(1, requestFields()), resetFrame(1, ERROR.CANCEL))
  client.send(headersFrame(3, requestFields()))
  const read = async (): Promise<Protocols> => {
    const status: { protocols: Protocols } = JSON.parse(
      await (await fetch(`${sidecar.adminUrl}/status`)).text(),
    )
    return status.protocols
  }
  await until(async () => (await read()).client.http2.resets.length > 0)
  return { sidecar, read }
}

test('/status shows requests by protocol, and connections, streams and resets of HTTP/2', async () => {
  const { read } = await startWithHttp2()
  await until(async () => JSON.stringify(await read()).includes('"h2":2'))
  expect(await read()).toMatchObject({
    client: {
      requests: { 'http/1.1': 1, h2: 2 },
      http2: {
        connections: 1,
        streams: 1,
        goaways: [],
        resets: [{ direction: 'received', reason: 'CANCEL', count: 1 }],
      },
    },
    upstream: { requests: { h2: 1 }, http2: { connections: 1, streams: 1 } },
  })
})

test.skipIf(CHROMIUM === undefined && MAY_SKIP)(
  'the status page shows the protocols (skipped without Chromium)',
  async () => {
    const { sidecar } = await startWithHttp2()
    const { page, consoleMessages } = await openPage(`${sidecar.adminUrl}/`)
    const table = page.getByRole('table', { name: /^Requests since the sidecar started/ })
    const rows = table.getByRole('row')
    await until(async () => (await rows.count()) === 3)
    expect(await rows.nth(1).innerText()).toMatch(
      /^Applications\s+1 × HTTP\/1\.1, 2 × HTTP\/2\s+1\s+1\s+–\s+1 × CANCEL received$/,
    )
    expect(await rows.nth(2).innerText()).toMatch(/^APIs\s+1 × HTTP\/2\s+1\s+1\s/)
    expect(consoleMessages).toEqual([])
  },
)
