import { parseSync, Visitor } from 'rolldown/utils'

export type SourceImport = {
  /** As written: `./clock.ts`, `node:http`, `yaml`. */
  readonly from: string
  /** Whether it is erased at run time. */
  readonly isType: boolean
}

/** Every import of a TypeScript file in any syntax, re-exports included. */
export function importsOf(source: string): SourceImport[] {
  const { program, errors } = parseSync('source.ts', source)
  if (errors.length > 0) throw new SyntaxError(errors[0]?.message)
  const imports: SourceImport[] = []
  const add = (from: unknown, kind: 'type' | 'value' = 'value'): void => {
    if (typeof from !== 'string') throw new TypeError('expected the name of a module')
    imports.push({ from, isType: kind === 'type' })
  }
  new Visitor({
    // `import { type A }` becomes `import {}`, so it counts as a value import.
    ImportDeclaration: ({ source: from, importKind }) => add(from.value, importKind),
    ExportAllDeclaration: ({ source: from, exportKind }) => add(from.value, exportKind),
    ExportNamedDeclaration({ source: from, exportKind }) {
      if (from !== null) add(from.value, exportKind)
    },
    ImportExpression({ source: from }) {
      add(from.type === 'Literal' ? from.value : undefined)
    },
    TSImportType: ({ source: from }) => add(from.value, 'type'),
  }).visit(program)
  return imports
}
