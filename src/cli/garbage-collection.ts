import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

/**
 * V8 notices which objects live for long, and allocates their like among the old ones. With hundreds of
 * connections at once it takes those of requests for such. They are dead soon, but nobody looks there
 * before the next full collection, and until then they keep alive whatever young object they refer to:
 * at 256 connections this took a quarter of the CPU time and 50 MB (docs/performance.md).
 */
export function keepRequestsYoung(): void {
  setFlagsFromString('--no-allocation-site-pretenuring')
}

/**
 * Of the memory that V8 holds once the process is ready, half is left over from getting there: garbage that V8 would
 * not look for before there is load, room in which it arose, and code that runs once. A sidecar often
 * rests for hours. Takes some 40 ms (docs/performance.md).
 */
export function dropWhatStartingLeft(): void {
  setFlagsFromString('--expose-gc')
  // It is there in contexts that are made from now on, and not in this one.
  const collect: unknown = runInNewContext('gc')
  setFlagsFromString('--no-expose-gc')
  if (typeof collect !== 'function') return
  Reflect.apply(collect, undefined, [{ type: 'major', execution: 'sync', flavor: 'last-resort' }])
}
