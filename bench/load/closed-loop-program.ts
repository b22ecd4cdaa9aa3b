import { setTimeout as sleep } from 'node:timers/promises'
import { createLoadRecord } from './load-record.ts'
import { readLoadSettings } from './read-load-settings.ts'
import { createRequester, type Requester } from './requester.ts'

const { host, port, request, connections, seconds } = readLoadSettings()
const record = createLoadRecord()
const sentAtMs = new Map<Requester, number>()

const requesters = Array.from({ length: connections }, () =>
  createRequester({
    host,
    port,
    request,
    onFailure: (reason) => record.failed(reason),
    onResponse(requester) {
      record.latency(performance.now() - (sentAtMs.get(requester) ?? 0))
      record.completed()
      send(requester)
    },
  }),
)
await Promise.allSettled(requesters.map(async ({ opened }) => await opened))
record.begin()
for (const requester of requesters) send(requester)
await sleep(seconds * 1000)
process.stdout.write(JSON.stringify(record.end()))
for (const requester of requesters) requester.close()

function send(requester: Requester): void {
  sentAtMs.set(requester, performance.now())
  requester.send()
}
