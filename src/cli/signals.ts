/** Calls `onSignal` for these signals instead of their default action, until the returned function is called. */
export function catchSignals(
  names: readonly NodeJS.Signals[],
  onSignal: (signal: NodeJS.Signals) => void,
): () => void {
  for (const name of names) process.on(name, onSignal)
  return () => {
    for (const name of names) process.off(name, onSignal)
  }
}
