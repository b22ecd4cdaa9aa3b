import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { unsupportedNode } from '../../src/node-version.ts'

test.for([
  '24.18.1',
  '24.18.2',
  '24.19.0',
  '24.100.0',
  '26.5.1',
  '26.6.0',
  '26.10.0',
  '27.0.0',
  '30.1.2',
])('Node %s will do', (version) => {
  expect(unsupportedNode(version)).toBeUndefined()
})

test.for([
  '0.12.18',
  '18.20.8',
  '20.20.2',
  '22.22.0',
  '23.11.1',
  '24.0.0',
  '24.18.0',
  '24.9.9',
  '25.9.0',
  '26.0.0',
  '26.5.0',
  '26.4.9',
])('Node %s will not do, and is told what will', (version) => {
  const complaint = unsupportedNode(version)
  expect(complaint).toContain(`this is Node ${version}`)
  expect(complaint).toContain('24.18.1')
  expect(complaint).toContain('26.5.1')
})

test('package.json asks for the same', () => {
  const { engines }: { engines?: { node?: string } } = JSON.parse(
    readFileSync('package.json', 'utf8'),
  )
  expect(engines?.node).toBe('^24.18.1 || >=26.5.1')
})

test('the Node that runs the tests will do', () => {
  expect(unsupportedNode(process.versions.node)).toBeUndefined()
})
