import { setFlagsFromString } from 'node:v8'

/**
 * V8 notices which objects live for long, and allocates their like among the old ones. With hundreds of
 * connections at once it takes those of requests for such. They are dead soon, but nobody looks there
 * before the next full collection, and until then they keep alive whatever young object they refer to:
 * at 256 connections this took a quarter of the CPU time and 50 MB (docs/performance.md).
 */
export function keepRequestsYoung(): void {
  setFlagsFromString('--no-allocation-site-pretenuring')
}
