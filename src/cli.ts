#!/usr/bin/env node
import { unsupportedNode } from './node-version.ts'

// Everything else is loaded after this check, because an old Node may not even be able to load it.
const complaint = unsupportedNode(process.versions.node)
if (complaint === undefined) {
  const { main } = await import('./cli/main.ts')
  process.exitCode = await main(process.argv.slice(2), {
    out: (text) => void process.stdout.write(text),
    err: (text) => void process.stderr.write(text),
    env: process.env,
    isTerminal: process.stdout.isTTY,
    isErrTerminal: process.stderr.isTTY,
    exit: (code) => process.exit(code),
  })
} else {
  process.stderr.write(`${complaint}\n`)
  process.exitCode = 1
}
