import { expect, test } from 'vitest'
import { interpolate } from '../../../src/config/interpolate.ts'
import { faultsOf } from '../../helpers/problems.ts'

const ENV = { HOST: 'login.example.com', EMPTY: '', DOLLAR: '${HOST}', _x1: 'underscore' }

test.for([
  ['no variable', 'no variable'],
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
  // The value of a variable is not interpolated.
  ['${DOLLAR}', '${HOST}'],
] as const)('%s is interpolated as %s', ([text, filled]) => {
  expect(interpolate(text, ENV)).toMatchObject({ text: filled, missing: [] })
})

test('each occurrence of an unset variable is reported', () => {
  expect(interpolate('${A}/${HOST}/${B}/${A}', ENV)).toMatchObject({
    text: '/login.example.com//',
    missing: ['A', 'B', 'A'],
  })
})

test.for(['constructor', 'toString', '__proto__'])(
  'an unset variable named %s is reported as unset',
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
])('the invalid interpolation %s is rejected', async (text) => {
  expect(await faultsOf({ credential: { clientId: text } }, { env: ENV })).toHaveLength(1)
})

test('"$${" is a literal "${"', async () => {
  expect(await faultsOf({ credential: { clientId: '$${HOST' } })).toEqual([])
})
