/** What keeps the demo from starting, in words that say what to do about it. */
export class StartError extends Error {
  override readonly name = 'StartError'
}
