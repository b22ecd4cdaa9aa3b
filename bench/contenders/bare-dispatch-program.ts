import type { ServerResponse } from 'node:http'
import { type Dispatcher, Pool } from 'undici'
import { readProgramSettings, serveProgram } from './serve-program.ts'

const { upstream, ca, authorization } = readProgramSettings()
const pool = new Pool(upstream, { connections: 1024, pipelining: 1, connect: { ca } })

await serveProgram((req, res) => {
  const { url = '/', method = 'GET', rawHeaders } = req
  const headers: string[] = []
  let hasBody = false
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = rawHeaders[index] ?? ''
    const lower = name.toLowerCase()
    if (lower === 'connection' || lower === 'host') continue
    if (lower === 'content-length' || lower === 'transfer-encoding') hasBody = true
    headers.push(name, rawHeaders[index + 1] ?? '')
  }
  headers.push('Authorization', authorization)
  pool.dispatch(
    { path: url, method, headers, body: hasBody ? req : null },
    {
      onRequestStart() {},
      onResponseStart(controller, status) {
        const fields: string[] = []
        const raw = Array.isArray(controller.rawHeaders) ? controller.rawHeaders : []
        for (let index = 0; index < raw.length; index += 2) {
          const name = raw[index]?.toString('latin1') ?? ''
          if (name.toLowerCase() === 'connection') continue
          fields.push(name, raw[index + 1]?.toString('latin1') ?? '')
        }
        res.writeHead(status, fields)
      },
      onResponseData(controller, chunk) {
        // A closed response never emits drain, so the upstream connection would stay paused forever.
        if (res.destroyed) controller.abort(new Error('client closed the connection'))
        else if (!res.write(chunk)) pauseUntilDrained(controller, res)
      },
      onResponseEnd() {
        res.end()
      },
      onResponseError() {
        res.destroy()
      },
    },
  )
})

function pauseUntilDrained(controller: Dispatcher.DispatchController, res: ServerResponse): void {
  controller.pause()
  const resume = (): void => {
    res.off('drain', resume).off('close', resume)
    controller.resume()
  }
  res.once('drain', resume).once('close', resume)
}
