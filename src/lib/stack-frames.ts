/** Where an error comes from, without its message, which may quote what it choked on. */
export function stackFrames(error: unknown): string {
  if (!(error instanceof Error)) return 'a thrown value that is no error'
  const frames = (error.stack ?? '').split('\n').filter((line) => /^\s+at /.test(line))
  return [error.name, ...frames].join('\n')
}
