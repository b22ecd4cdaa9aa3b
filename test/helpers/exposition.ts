/** A metric family in the Prometheus text format. */
export type Family = {
  readonly name: string
  readonly type: string
  readonly help: string
  readonly samples: Sample[]
}

type Sample = {
  /** For a histogram with the suffix `_bucket`, `_sum` or `_count`. */
  readonly name: string
  readonly labels: Readonly<Record<string, string>>
  readonly value: number
}

/** A strict parser: each family must have HELP and TYPE lines directly above its samples. */
export function parseExposition(text: string): Family[] {
  const families: Family[] = []
  let help: RegExpExecArray | undefined
  for (const [index, line] of text.split('\n').entries()) {
    if (line === '') continue
    const fail = (why: string): never => {
      throw new SyntaxError(`line ${index + 1}: ${why}: ${line}`)
    }
    if (line.startsWith('# HELP ')) {
      help = /^# HELP (?<name>\S+) (?<help>.+)$/.exec(line) ?? fail('no help')
    } else if (line.startsWith('# TYPE ')) {
      const [, name = '', type = ''] = /^# TYPE (\S+) (\S+)$/.exec(line) ?? fail('no type')
      if (help?.groups?.['name'] !== name) fail('no help above')
      families.push({ name, type, help: help?.groups?.['help'] ?? '', samples: [] })
      help = undefined
    } else {
      const family = families.at(-1) ?? fail('a sample of nothing')
      const sample = parseSample(line) ?? fail('no sample')
      const suffix = sample.name.startsWith(family.name) && sample.name.slice(family.name.length)
      const suffixes = family.type === 'histogram' ? ['_bucket', '_sum', '_count'] : ['']
      if (suffix === false || !suffixes.includes(suffix)) fail('a sample of another metric')
      family.samples.push(sample)
    }
  }
  return families
}

const LABEL = /(?<label>[a-zA-Z_]\w*)="(?<value>(?:[^"\\\n]|\\["\\n])*)"/g
const SAMPLE = new RegExp(
  `^(?<name>[a-zA-Z_:][\\w:]*)(?:\\{(?<labels>(?:${LABEL.source.replaceAll(/\?<\w+>/g, '?:')},?)*)\\})? (?<value>\\S+)$`,
)

function parseSample(line: string): Sample | undefined {
  const { name, labels = '', value } = SAMPLE.exec(line)?.groups ?? {}
  if (name === undefined || value === undefined) return undefined
  const pairs = [...labels.matchAll(LABEL)].map((match): [string, string] => [
    match.groups?.['label'] ?? '',
    unescapeLabel(match.groups?.['value'] ?? ''),
  ])
  return {
    name,
    labels: Object.fromEntries(pairs),
    value: value === '+Inf' ? Infinity : Number(value),
  }
}

function unescapeLabel(text: string): string {
  return text.replaceAll(/\\(.)/g, (_escape, letter: string) => (letter === 'n' ? '\n' : letter))
}
