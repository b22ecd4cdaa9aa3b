#!/usr/bin/env node
import { unsupportedNode } from './node-version.ts'

// Everything else is loaded after this check, because an old Node may not even be able to load it.
const complaint = unsupportedNode(process.versions.node)
if (complaint === undefined) {
  const { main } = await import('./cli/main.ts')
  const { createProcessIo } = await import('./cli/process-io.ts')
  const { io, finish } = createProcessIo()
  await finish(await main(process.argv.slice(2), io))
} else {
  process.stderr.write(`${complaint}\n`)
  process.exitCode = 1
}
