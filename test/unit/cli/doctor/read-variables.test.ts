import { expect, test } from 'vitest'
import {
  parseEnvFile,
  parseProcessEnvironment,
  parseSystemProperties,
} from '../../../../src/cli/doctor/read-variables.ts'
import { printVariables } from '../../../../src/cli/print-variables.ts'

test('an env file has comments, empty lines, quotes and exports', () => {
  const text = `# comment\n\nA=1\nexport B='two words'\nC="say \\"hi\\""\nD=a=b\nE=\nnot a variable\n`
  expect(parseEnvFile(text)).toEqual({ A: '1', B: 'two words', C: 'say "hi"', D: 'a=b', E: '' })
})

test('an env file that "exec --env" prints is read as it was', () => {
  const variables = { A: 'plain', B: '-Da=b|c -Dd=*', C: `it's "$5"`, D: 'back\\slash', E: '' }
  expect(parseEnvFile(printVariables(variables, 'dotenv'))).toEqual(variables)
})

test('the environment of a process is separated by NUL', () => {
  expect(parseProcessEnvironment('A=1\0B=two\nlines\0=x\0C=\0')).toEqual({
    A: '1',
    B: 'two\nlines',
    C: '',
  })
})

test('system properties may be quoted', () => {
  expect(parseSystemProperties('-Xmx1g "-Da.b=c d" -De=f|g -Dh= -Di')).toEqual({
    'a.b': 'c d',
    e: 'f|g',
    h: '',
  })
})
