const BEGIN = '<!-- Begin of what "npm run test:servers -- --write" writes -->'
const END = '<!-- End of what "npm run test:servers -- --write" writes -->'

/** The text with `tables` between the two marks. */
export function replaceTable(text: string, tables: string): string {
  const begin = text.indexOf(BEGIN)
  const end = text.indexOf(END)
  if (begin === -1 || end < begin) {
    throw new Error(`Cannot write the tables: expected the lines ${BEGIN} and ${END}`)
  }
  return `${text.slice(0, begin + BEGIN.length)}\n\n${tables}\n\n${text.slice(end)}`
}
