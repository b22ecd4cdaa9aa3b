/** The samples of `/metrics`. */
export type MetricsPage = {
  /** The lines of these metrics, without zeros and without buckets. */
  readonly lines: (...names: readonly string[]) => readonly string[]
  /** The sum of the samples of `name` that have all of these labels. */
  readonly sum: (name: string, labels?: Readonly<Record<string, string>>) => number
}

type Sample = { readonly line: string; readonly name: string; readonly value: number }

export function parseMetricsPage(text: string): MetricsPage {
  const samples = text.split('\n').flatMap((line): Sample[] => {
    const { name, value } = /^(?<name>\w+)(?:\{.*\})? (?<value>\S+)$/.exec(line)?.groups ?? {}
    return name === undefined ? [] : [{ line, name, value: Number(value) }]
  })
  return {
    lines: (...names) =>
      names.flatMap((wanted) =>
        samples.filter(({ name, value }) => name === wanted && value !== 0).map(({ line }) => line),
      ),
    sum: (wanted, labels = {}) => {
      const written = Object.entries(labels).map(([label, value]) => `${label}="${value}"`)
      return samples
        .filter(({ line, name }) => name === wanted && written.every((part) => line.includes(part)))
        .reduce((total, { value }) => total + value, 0)
    },
  }
}
