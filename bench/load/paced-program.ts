import { Worker } from 'node:worker_threads'
import { createLoadRecord } from './load-record.ts'
import { monotonicMs } from './monotonic-ms.ts'
import { readLoadSettings } from './read-load-settings.ts'
import { createRequester, type Requester } from './requester.ts'

const { host, port, request, connections, seconds, perSecond } = readLoadSettings()
const record = createLoadRecord()
const idle: Requester[] = []
/** The scheduled times of requests that wait for a connection. */
const waiting: number[] = []
const scheduledAtMs = new Map<Requester, number>()
const total = Math.round(seconds * perSecond)
/** The first latencies are not recorded, because they include the compilation of this program. */
const warmUpRequests = Math.min(500, total / 4)
let scheduled = 0
let completed = 0

const requesters = Array.from({ length: connections }, () =>
  createRequester({
    host,
    port,
    request,
    onFailure(reason) {
      record.failed(reason)
      end()
    },
    onResponse(requester) {
      completed += 1
      if (completed > warmUpRequests) {
        record.latency(monotonicMs() - (scheduledAtMs.get(requester) ?? 0))
      }
      record.completed()
      const next = waiting.shift()
      if (next === undefined) idle.push(requester)
      else send(requester, next)
      if (completed === total) end()
    },
  }),
)
await Promise.allSettled(requesters.map(async ({ opened }) => await opened))
idle.push(...requesters)

const pacer = new Worker(new URL('pacer-thread.ts', import.meta.url), {
  workerData: { intervalMs: 1000 / perSecond },
})
pacer.once('message', () => {
  record.begin()
  setTimeout(
    () => {
      record.failed(`${total - completed} responses missing`)
      end()
    },
    seconds * 2000 + 10_000,
  )
  pacer.on('message', sendOne)
})

function sendOne(atMs: number): void {
  if (scheduled === total) return
  scheduled += 1
  // FIFO, so that every connection is used.
  const requester = idle.shift()
  if (requester === undefined) waiting.push(atMs)
  else send(requester, atMs)
}

function send(requester: Requester, atMs: number): void {
  scheduledAtMs.set(requester, atMs)
  requester.send()
}

function end(): void {
  process.stdout.write(JSON.stringify(record.end()), () => process.exit(0))
}
