import type { Running } from '../contenders/contender.ts'
import type { Load, Outcome, SendLoad } from '../load/load.ts'
import { RESPONSES } from '../stage/responses.ts'
import { cpuMicros, residentBytes } from '../system/proc.ts'
import type { Round } from './result.ts'
import { isGrpc, requestHeaders, requestPath, type Workload } from './workload.ts'

const SAMPLE_MS = 200

/** Sends load for a period, and reads the CPU time directly before and after it. */
export async function measureRound(
  running: Running,
  workload: Workload,
  { send, seconds }: { readonly send: SendLoad; readonly seconds: number },
): Promise<{ readonly round: Round; readonly failure?: string | undefined }> {
  const { pids } = running
  const load = loadOf(running, workload, seconds)
  if (pids.length === 0) {
    const outcome = await send(load)
    return { round: roundOf(outcome, workload), failure: outcome.failure }
  }
  let resident = 0
  const sample = setInterval(() => {
    resident = Math.max(resident, residentBytes(pids))
  }, SAMPLE_MS)
  try {
    const before = cpuMicros(pids)
    const outcome = await send(load)
    const spent = cpuMicros(pids) - before
    const peak = Math.max(resident, residentBytes(pids))
    return {
      round: { ...roundOf(outcome, workload), cpuMicros: spent, residentBytes: peak },
      failure: outcome.failure,
    }
  } finally {
    clearInterval(sample)
  }
}

function roundOf({ requests, seconds, p50Ms, p99Ms }: Outcome, workload: Workload): Round {
  const each = workload.bodyBytes + RESPONSES[workload.response].body.length
  return { requests, seconds, p50Ms, p99Ms, bodyBytes: requests * each }
}

function loadOf({ origin, authorization }: Running, workload: Workload, seconds: number): Load {
  const { method, bodyBytes, connections, streams, response } = workload
  const headers = requestHeaders(workload)
  if (authorization !== undefined) headers.push(['Authorization', authorization])
  return {
    origin,
    path: requestPath(workload),
    method,
    bodyBytes,
    headers,
    connections,
    http2: workload.http2 === 'both',
    streams,
    responseBytes: RESPONSES[response].body.length,
    isGrpc: isGrpc(workload),
    seconds,
  }
}
