import { expect, test } from 'vitest'
import { parseNodeFlags } from '../../../bench/contenders/shipped-node-flags.ts'

test.for([
  {
    entryPoint: '["node", "--max-semi-space-size=32", "--v8-pool-size=2", "/app/cli.js"]',
    flags: ['--max-semi-space-size=32', '--v8-pool-size=2'],
  },
  { entryPoint: '["node", "/app/cli.js"]', flags: [] },
])('the Node flags of the entry point $entryPoint are $flags', ({ entryPoint, flags }) => {
  expect(parseNodeFlags(`FROM node\nENTRYPOINT ${entryPoint}\nCMD ["run"]\n`)).toEqual(flags)
})

test.for(['FROM node\n', 'FROM node\nENTRYPOINT node cli.js\n', 'ENTRYPOINT ["sh", "run.sh"]\n'])(
  'a Dockerfile that does not start Node is rejected: %j',
  (dockerfile) => {
    expect(() => parseNodeFlags(dockerfile)).toThrow('Cannot read the Dockerfile: ')
  },
)
