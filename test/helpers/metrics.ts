import { parseExposition } from './exposition.ts'
import type { RunningSidecar } from './sidecar.ts'

/** The value of the sample of `/metrics` with these labels, if there is one. */
export async function metric(
  { adminUrl }: Pick<RunningSidecar, 'adminUrl'>,
  name: string,
  labels: Readonly<Record<string, string>>,
): Promise<number | undefined> {
  const families = parseExposition(await (await fetch(`${adminUrl}/metrics`)).text())
  const samples = families.find((family) => family.name === name)?.samples ?? []
  return samples.find((sample) =>
    Object.entries(labels).every(([label, value]) => sample.labels[label] === value),
  )?.value
}
