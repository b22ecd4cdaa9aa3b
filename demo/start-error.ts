/** A reason why the demo cannot start; the message contains the remedy. */
export class StartError extends Error {
  override readonly name = 'StartError'
}
