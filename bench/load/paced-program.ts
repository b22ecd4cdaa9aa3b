import { Worker } from 'node:worker_threads'
import { createLoadRecord } from './load-record.ts'
import { monotonicMs } from './monotonic-ms.ts'
import { readLoadSettings } from './read-load-settings.ts'
import { createRequester, type Requester } from './requester.ts'

const { host, port, request, connections, seconds, perSecond } = readLoadSettings()
const record = createLoadRecord()
const idle: Requester[] = []
/** When requests were due that wait for a connection. */
const waiting: number[] = []
const dueAtMs = new Map<Requester, number>()
const total = Math.round(seconds * perSecond)
/** Of the first ones, the latency is that of this program, which is not yet compiled. */
const unripe = Math.min(500, total / 4)
let due = 0
let over = 0

const requesters = Array.from({ length: connections }, () =>
  createRequester({
    host,
    port,
    request,
    onFailure(why) {
      record.failed(why)
      end()
    },
    onAnswer(requester) {
      over += 1
      if (over > unripe) record.latency(monotonicMs() - (dueAtMs.get(requester) ?? 0))
      record.answered()
      const next = waiting.shift()
      if (next === undefined) idle.push(requester)
      else send(requester, next)
      if (over === total) end()
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
      record.failed(`still without ${total - over} answers`)
      end()
    },
    seconds * 2000 + 10_000,
  )
  pacer.on('message', sendOne)
})

function sendOne(atMs: number): void {
  if (due === total) return
  due += 1
  // The one that rests for longest, so that all of them are used.
  const requester = idle.shift()
  if (requester === undefined) waiting.push(atMs)
  else send(requester, atMs)
}

function send(requester: Requester, atMs: number): void {
  dueAtMs.set(requester, atMs)
  requester.send()
}

function end(): void {
  process.stdout.write(JSON.stringify(record.end()), () => process.exit(0))
}
