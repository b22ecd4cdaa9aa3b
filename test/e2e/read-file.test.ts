import { execFileSync } from 'node:child_process'
import { closeSync, constants, openSync } from 'node:fs'
import { mkdir, open, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { createFileStat, readBytes, unreadableReason } from '../../src/config/read-file.ts'
import { temporaryDirectory } from '../helpers/sidecar.ts'

async function readText(path: string): Promise<string> {
  return (await readBytes(path)).toString()
}

async function namedPipe(): Promise<string> {
  const path = join(await temporaryDirectory(), 'pipe')
  execFileSync('mkfifo', [path])
  return path
}

async function reasonOf(path: string): Promise<string> {
  return await readText(path).catch(unreadableReason)
}

test('a named pipe is read to its end even if its writer opens it later', async () => {
  const path = await namedPipe()
  const reading = readText(path)
  await writeFile(path, 'a secret')
  expect(await reading).toBe('a secret')
})

test('reading a named pipe without a writer fails after 5 s, without blocking other reads', async () => {
  const path = await namedPipe()
  const file = join(await temporaryDirectory(), 'file')
  await writeFile(file, 'text')
  // More than libuv has threads in its pool.
  const reasons = Promise.all(Array.from({ length: 8 }, async () => await reasonOf(path)))
  expect(await readText(file)).toBe('text')
  expect(new Set(await reasons)).toEqual(new Set(['reading it took longer than 5 s']))
  expect(await readText(file)).toBe('text')
})

test('a device, a directory and an oversized file are rejected', async () => {
  const directory = await temporaryDirectory()
  await mkdir(join(directory, 'folder'))
  await writeFile(join(directory, 'large'), '')
  await truncate(join(directory, 'large'), 1024 ** 4)
  expect(await reasonOf('/dev/zero')).toBe('it is not a regular file')
  expect(await reasonOf(join(directory, 'folder'))).toBe('it is a directory')
  expect(await reasonOf(join(directory, 'large'))).toBe('it is larger than 8 MiB')
  expect(await reasonOf(join(directory, 'none'))).toBe('no such file')
})

test('a file server that hangs delays neither reading a file nor its metadata for more than 5 s', async () => {
  const pipe = await namedPipe()
  // Without O_NONBLOCK, each of these blocks a thread of libuv's pool until there is a writer.
  const blocked = Array.from({ length: 4 }, async () => await open(pipe, 'r'))
  try {
    const stat = createFileStat('/')('dev/null')
    expect(await reasonOf('/dev/null')).toBe('reading it took longer than 5 s')
    expect(await stat).toBe(undefined)
  } finally {
    const writer = openSync(pipe, constants.O_WRONLY | constants.O_NONBLOCK)
    for (const file of await Promise.all(blocked)) await file.close()
    closeSync(writer)
  }
  expect(await createFileStat('/')('dev/null')).toMatchObject({ kind: 'other' })
})
