import { expect, test } from 'vitest'
import { interpolate } from '../../../src/config/interpolate.ts'
import { faultsOf } from '../../helpers/problems.ts'

const ENV = { HOST: 'login.example.com', EMPTY: '', DOLLAR: '${HOST}', _x1: 'underscore' }

test.for([
  ['nothing to fill in', 'nothing to fill in'],
  ['', ''],
  ['${HOST}', 'login.example.com'],
  ['https://${HOST}/${_x1}', 'https://login.example.com/underscore'],
  ['${HOST}${HOST}', 'login.example.comlogin.example.com'],
  ['${HOST:-other}', 'login.example.com'],
  ['${EMPTY}', ''],
  ['${EMPTY:-other}', 'other'],
  ['${NOPE:-other}', 'other'],
  ['${NOPE:-}', ''],
  ['${NOPE:-a:-b $x $$ "q"}', 'a:-b $x $$ "q"'],
  ['$${HOST}', '${HOST}'],
  ['$$${HOST}', '$${HOST}'],
  ['$${HOST}${HOST}', '${HOST}login.example.com'],
  ['a $ b $$ c $HOST {HOST}', 'a $ b $$ c $HOST {HOST}'],
  // What comes from a variable is not looked at again.
  ['${DOLLAR}', '${HOST}'],
] as const)('%s becomes %s', ([text, filled]) => {
  expect(interpolate(text, ENV)).toMatchObject({ text: filled, missing: [] })
})

test('variables that are not set are named, each time', () => {
  expect(interpolate('${A}/${HOST}/${B}/${A}', ENV)).toMatchObject({
    text: '/login.example.com//',
    missing: ['A', 'B', 'A'],
  })
})

test.for(['constructor', 'toString', '__proto__'])(
  'a variable called %s is not set just because every object has that',
  (name) => {
    expect(interpolate(`\${${name}}`, {})).toMatchObject({ text: '', missing: [name] })
  },
)

test.for([
  '${',
  '${}',
  '${HOST',
  '${my-host}',
  '${1HOST}',
  '${ HOST }',
  '${HOST:other}',
  '${HOST-other}',
  '${HOST:?is needed}',
  '${NOPE:-${HOST}}',
  '${HOST:-{}}',
  '$${HOST}${',
])('%s is refused, because it would be sent as it is', async (text) => {
  expect(await faultsOf({ credential: { clientId: text } }, { env: ENV })).toHaveLength(1)
})

test('a literal "${" is written "$${"', async () => {
  expect(await faultsOf({ credential: { clientId: '$${HOST' } })).toEqual([])
})
