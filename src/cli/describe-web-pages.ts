/** Which web pages the origin check allows to send requests. */
export function describeWebPages(origins: readonly string[]): string {
  return ['only of the same origin', ...origins].join(', or of ')
}
