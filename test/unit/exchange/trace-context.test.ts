import { expect, test } from 'vitest'
import { withTraceContext } from '../../../src/exchange/trace-context.ts'
import { fieldNames } from '../../../src/http/field-lines.ts'

const OURS = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'

const CASES: readonly {
  what: string
  headers: string[]
  isContinued?: boolean
  dropped?: string[]
  sent: string[]
}[] = [
  { what: 'is added', headers: ['Host', 'a'], sent: ['Host', 'a', 'traceparent', OURS] },
  {
    what: 'replaces the one that came, however it is written',
    headers: ['TraceParent', 'theirs', 'tracestate', 'a=1', 'Accept', '*/*'],
    isContinued: true,
    sent: ['tracestate', 'a=1', 'Accept', '*/*', 'traceparent', OURS],
  },
  {
    what: 'of a new trace comes without what belongs to another',
    headers: ['traceparent', 'nonsense', 'TraceState', 'a=1'],
    sent: ['traceparent', OURS],
  },
  {
    what: 'leaves alone what the route has set',
    headers: ['traceparent', 'set'],
    dropped: ['traceparent'],
    sent: ['traceparent', 'set'],
  },
]

test.for(CASES)('our trace context $what', ({ headers, isContinued = false, dropped, sent }) => {
  const policy = { dropped: fieldNames(dropped ?? []) }
  expect(withTraceContext(headers, OURS, isContinued, policy)).toEqual(sent)
})
