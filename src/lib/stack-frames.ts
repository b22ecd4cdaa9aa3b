/** The name and the stack of an error, without its message, which may quote its input. */
export function stackFrames(error: unknown): string {
  if (!(error instanceof Error)) return 'a thrown value that is not an Error'
  const frames = (error.stack ?? '').split('\n').filter((line) => /^\s+at /.test(line))
  return [error.name, ...frames].join('\n')
}
