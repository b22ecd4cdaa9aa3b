import { bareDispatch } from '../contenders/bare-dispatch.ts'
import { tokenSidecar } from '../contenders/token-sidecar.ts'
import { compare } from '../measure/compare.ts'
import { createLoads } from '../measure/loads.ts'
import { guardResult } from '../measure/guard-result.ts'
import { SMALL_GET } from '../measure/workload.ts'
import { roundsOf } from '../report/figures.ts'
import { setStage } from '../stage/stage.ts'
import { BenchError } from '../system/bench-error.ts'
import { pinCores } from '../system/cores.ts'
import { EXIT, type Io } from './io.ts'

/**
 * Well above the budget, because the guard detects a regression on any machine under any other load;
 * it does not measure precisely.
 */
const MAX_RATIO = 1.3
const ATTEMPTS = 3
const PACE = { rounds: 5, seconds: 1, warmUpSeconds: 2 }
const TOKEN_LIFETIME_SECONDS = 3600

const CASE = {
  name: 'guard',
  title: 'GET, 100-byte response',
  isQuick: true,
  variations: [{ label: '', workload: SMALL_GET }],
}

/** `guard`: fails if a request costs far more than the bare loop in every attempt. */
export async function runGuard(io: Io): Promise<number> {
  // Only npm packages, for the same setup on every machine.
  const onlyNode = { onlyNode: true }
  const stage = await setStage({
    cores: pinCores(),
    tokenLifetimeSeconds: TOKEN_LIFETIME_SECONDS,
    signal: io.signal,
    ...onlyNode,
  })
  try {
    const loads = await createLoads(stage, onlyNode)
    for (let attempt = 1; attempt <= ATTEMPTS; attempt += 1) {
      const result = await compare(CASE, {
        stage,
        loads,
        pace: PACE,
        contenders: [tokenSidecar, bareDispatch],
        onStep: () => io.signal.throwIfAborted(),
      })
      for (const { contender, leftOut, failure = leftOut } of result.entries) {
        if (failure !== undefined) throw new BenchError(`Cannot compare ${contender}: ${failure}`)
      }
      const figures = { cases: [result] }
      const own = roundsOf(figures, { inCase: CASE.name, of: tokenSidecar.name }) ?? []
      const bare = roundsOf(figures, { inCase: CASE.name, of: bareDispatch.name }) ?? []
      const { isWithin, text } = guardResult(own, bare, MAX_RATIO)
      if (isWithin) {
        io.out(`${text}\n`)
        return EXIT.ok
      }
      io.err(`${text} (attempt ${attempt} of ${ATTEMPTS})\n`)
    }
    return EXIT.failed
  } finally {
    await stage.close()
  }
}
