import {
  isAlias,
  isMap,
  isNode,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  parseDocument,
  type Scalar,
  visit,
} from 'yaml'
import { interpolate } from './interpolate.ts'
import type { KeyPath } from './problem.ts'

type Position = { readonly line: number; readonly column: number }

/** A YAML file that still knows where everything in it stands. */
export type YamlSource = {
  /** Plain data with environment variables filled in; undefined where the text is no YAML at all. */
  readonly data: unknown
  /** What keeps the text from being YAML, and variables that are not set. */
  readonly faults: readonly (Position & { readonly message: string })[]
  /** Where a value stands; for one that is missing, where the thing stands that lacks it. */
  locate(path: KeyPath): Position
  /** Where a key stands. */
  locateKey(path: KeyPath): Position
  /** What the file says there, as written, without the values of variables; undefined if nothing. */
  describe(path: KeyPath): string | undefined
}

type Environment = Readonly<Record<string, string | undefined>>
type Place = { node: Node | null; keyOffset: number | undefined }

export function readYaml(text: string, env: Environment): YamlSource {
  const lines = new LineCounter()
  // prettyErrors would quote the source, and with it perhaps a secret.
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false })
  const positionOf = (offset: number): Position => {
    const { line, col } = lines.linePos(offset)
    return { line: Math.max(1, line), column: Math.max(1, col) }
  }

  const faults = document.errors.map((error) => ({
    ...positionOf(error.pos[0]),
    message: `expected valid YAML: ${error.message}`,
  }))
  visit(document, {
    Scalar(key, node: Scalar) {
      if (key === 'key' || typeof node.value !== 'string') return
      const { text: value, missing } = interpolate(node.value, env)
      node.value = value
      for (const name of missing) {
        faults.push({
          ...positionOf(node.range?.[0] ?? 0),
          message: `expected the environment variable ${name} to be set, or a default as in "\${${name}:-default}"`,
        })
      }
    },
  })

  const step = ({ node }: Place, key: PropertyKey): Place | undefined => {
    const container = isAlias(node) ? node.resolve(document) : node
    if (isMap(container)) {
      const pair = container.items.find(
        (item) => (isScalar(item.key) ? item.key.value : item.key) === key,
      )
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

  return {
    data: faultless(() => document.toJS()),
    faults,
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

  /** An alias to nothing and a bomb of aliases are only noticed here. */
  function faultless(read: () => unknown): unknown {
    try {
      return read()
    } catch (cause) {
      const message = cause instanceof Error ? cause.message : 'unreadable'
      faults.push({ line: 1, column: 1, message: `expected valid YAML: ${message}` })
      return undefined
    }
  }
}

function describeNode(node: Node | null): string {
  if (isMap(node)) return 'a map'
  if (isSeq(node)) return 'a list'
  if (isAlias(node)) return `the alias "*${node.source}"`
  if (!isScalar(node) || node.value === null) return 'nothing'
  const written = node.source ?? JSON.stringify(node.value)
  return typeof node.value === 'string'
    ? JSON.stringify(written)
    : `the ${typeof node.value} ${written}`
}
