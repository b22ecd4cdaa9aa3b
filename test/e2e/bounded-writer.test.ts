import { spawnSync } from 'node:child_process'
import { closeSync, openSync, readSync } from 'node:fs'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { createBoundedWriter } from '../../src/lib/bounded-writer.ts'
import { temporaryDirectory } from '../helpers/sidecar.ts'

const LINE = `${'x'.repeat(1_023)}\n`
/** More than the capacity of the pipe and of the buffer. */
const LINES = 2_000

test('lines for a pipe that is not read are buffered up to the limit, then dropped and counted', async () => {
  const fifo = join(await temporaryDirectory(), 'fifo')
  expect(spawnSync('mkfifo', [fifo]).status).toBe(0)
  // Opened for reading as well, so that the open does not wait for a reader.
  const descriptor = openSync(fifo, 'r+')
  onTestFinished(() => closeSync(descriptor))
  const reasons: string[] = []
  const writer = createBoundedWriter({
    descriptor,
    minLength: 0,
    maxLength: 256 * 1_024,
    onDropping: (reason) => void reasons.push(reason),
  })
  for (let line = 0; line < LINES; line += 1) writer.write(LINE)
  const dropped = writer.droppedLines()
  expect(dropped).toBeGreaterThan(LINES / 2)
  expect(reasons).toEqual(['EAGAIN'])
  const unwritten = await writer.drain(50)
  expect(unwritten).toBeGreaterThan(0)

  const bytes = Buffer.alloc(LINES * LINE.length)
  let received = 0
  while (received < (LINES - dropped) * LINE.length) {
    received += readSync(descriptor, bytes, received, 64 * 1_024, null)
    await new Promise((resolve) => setImmediate(resolve))
    await writer.drain(20)
  }
  expect(received).toBe((LINES - dropped) * LINE.length)
  expect(bytes.toString('latin1', 0, received)).toBe(LINE.repeat(LINES - dropped))
})
