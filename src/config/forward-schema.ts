import * as z from 'zod'
import { proxySetting } from './proxy-schema.ts'

const MODE = 'expected "deny" or "pass"'

const mode = z.enum(['deny', 'pass'], { error: MODE })

export const forward = z
  .union(
    [
      mode.transform((value) => ({ mode: value, proxy: undefined })),
      z.strictObject({
        mode: mode.describe('Whether they are denied or passed on.'),
        proxy: proxySetting.describe(
          'The proxy through which they are passed on; written like `proxy` of a route.',
        ),
      }),
    ],
    { error: `${MODE}, or a map with "mode"` },
  )
  .prefault('deny')
  .describe(
    'What happens to a forward-proxy request (`HTTP_PROXY`) or tunnel (`CONNECT`) that matches no route: `deny` it, or `pass` it on without a token; or a map of `mode` and `proxy`.',
  )
