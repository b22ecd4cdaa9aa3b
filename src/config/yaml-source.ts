import {
  type Document,
  isAlias,
  isMap,
  isNode,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  parseDocument,
  visit,
} from 'yaml'
import { interpolate } from './interpolate.ts'
import type { KeyPath } from './problem.ts'
import { yamlFault } from './yaml-words.ts'

type Position = { readonly line: number; readonly column: number }

/** A YAML file that still knows where everything in it stands. */
export type YamlSource = {
  /** Plain data with environment variables filled in; undefined where the text is no YAML at all. */
  readonly data: unknown
  /** What keeps the text from being YAML, and variables that are not set. */
  readonly faults: readonly (Position & { readonly message: string })[]
  /** Whether the text is YAML that can be understood in one way only. */
  readonly isSound: boolean
  /** Where a value stands; for one that is missing, where the thing stands that lacks it. */
  locate(path: KeyPath): Position
  /** Where a key stands. */
  locateKey(path: KeyPath): Position
  /** What the file says there, as written, without the values of variables; undefined if nothing. */
  describe(path: KeyPath): string | undefined
}

type Environment = Readonly<Record<string, string | undefined>>
type Place = { node: Node | null; keyOffset: number | undefined }
type Fault = { readonly offset: number; readonly message: string }

export function readYaml(original: string, env: Environment): YamlSource {
  const text = original.replace(/^\uFEFF/, '')
  const lines = new LineCounter()
  const document = parseDocument(text, {
    lineCounter: lines,
    prettyErrors: false,
    stringKeys: true,
    logLevel: 'error',
  })
  const positionOf = (offset: number): Position => {
    const { line, col } = lines.linePos(offset)
    return { line: Math.max(1, line), column: Math.max(1, col) }
  }

  // Behind the first error the parser guesses, and what it says is no help.
  const fatal = document.errors.find(({ code }) => code !== 'DUPLICATE_KEY')
  const minor = [...document.errors, ...document.warnings]
  const syntax = (fatal === undefined ? minor : [fatal]).map((error) => ({
    offset: error.pos[0],
    message: yamlFault(error, text),
  }))
  const faults: Fault[] =
    fatal === undefined
      ? [...syntax, ...aliasFaults(document), ...fillVariables(document, env)]
      : syntax
  const isReadable = fatal === undefined && aliasFaults(document).length === 0

  const step = ({ node }: Place, key: PropertyKey): Place | undefined => {
    const container = isAlias(node) ? node.resolve(document) : node
    if (isMap(container)) {
      const pair = container.items.find((item) => isScalar(item.key) && item.key.value === key)
      if (pair === undefined || !isScalar(pair.key)) return undefined
      return { node: isNode(pair.value) ? pair.value : null, keyOffset: pair.key.range?.[0] }
    }
    const item = isSeq(container) && typeof key === 'number' ? container.items[key] : undefined
    return isNode(item) ? { node: item, keyOffset: item.range?.[0] } : undefined
  }

  /** As deep along the path as the file goes. */
  const walk = (path: KeyPath): Place & { complete: boolean } => {
    let place: Place = { node: document.contents, keyOffset: undefined }
    for (const key of path) {
      const next = step(place, key)
      if (next === undefined) return { ...place, complete: false }
      place = next
    }
    return { ...place, complete: true }
  }

  const read = isReadable ? dataOf(document) : { data: undefined, faults: [] }
  return {
    data: read.data,
    faults: [...faults, ...read.faults].map(({ offset, message }) => ({
      ...positionOf(offset),
      message,
    })),
    isSound: isReadable && syntax.length === 0,
    locate(path) {
      const { node, keyOffset, complete } = walk(path)
      const valueOffset = node?.range?.[0]
      return positionOf((complete ? (valueOffset ?? keyOffset) : (keyOffset ?? valueOffset)) ?? 0)
    },
    locateKey(path) {
      const { node, keyOffset } = walk(path)
      return positionOf(keyOffset ?? node?.range?.[0] ?? 0)
    },
    describe(path) {
      const { node, complete } = walk(path)
      return complete ? describeNode(node) : undefined
    },
  }
}

/** Fills in the variables, and tells what can't be filled in. */
function fillVariables(document: Document.Parsed, env: Environment): Fault[] {
  const faults: Fault[] = []
  visit(document, {
    Scalar(key, node) {
      if (key === 'key' || typeof node.value !== 'string') return
      const offset = node.range?.[0] ?? 0
      const { text, missing, malformed } = interpolate(node.value, env)
      node.value = text
      if (malformed) {
        faults.push({
          offset,
          message:
            'expected a variable such as "${NAME}" or "${NAME:-default}"; a literal "${" is written "$${"',
        })
      }
      for (const name of missing) {
        faults.push({
          offset,
          message: `expected the environment variable ${name} to be set, or a default as in "\${${name}:-default}"`,
        })
      }
    },
  })
  return faults
}

function aliasFaults(document: Document.Parsed): Fault[] {
  const faults: Fault[] = []
  visit(document, {
    Alias(_key, node, ancestors) {
      const target = node.resolve(document)
      const offset = node.range?.[0] ?? 0
      if (target === undefined) {
        const message =
          'expected the name of an anchor that stands above; a text that starts with "*" needs quotes'
        faults.push({ offset, message })
      } else if (ancestors.includes(target)) {
        faults.push({ offset, message: 'expected an alias of something that does not contain it' })
      }
    },
  })
  return faults
}

/** A bomb of aliases is only noticed when it goes off. */
function dataOf(document: Document.Parsed): { data: unknown; faults: Fault[] } {
  try {
    return { data: document.toJS(), faults: [] }
  } catch {
    const message = 'expected fewer aliases: this many would not fit into memory'
    return { data: undefined, faults: [{ offset: 0, message }] }
  }
}

function describeNode(node: Node | null): string {
  if (isMap(node)) return 'a map'
  if (isSeq(node)) return 'a list'
  if (isAlias(node)) return 'an alias'
  if (!isScalar(node) || node.value === null) return 'nothing'
  const written = node.source ?? JSON.stringify(node.value)
  return typeof node.value === 'string'
    ? JSON.stringify(written)
    : `the ${typeof node.value} ${written}`
}
