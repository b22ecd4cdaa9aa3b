/** An entry of an unordered list. */
export type Listed = {
  /** Its index in the list. */
  at: number
}

/*
 * A list whose entries know their index, so that one is removed by moving the last one into its place.
 * For entries that live as long as a request: with that turnover a `Set` is rehashed constantly, and each
 * old table that reaches the old generation keeps its entries and all later tables alive.
 */

export function addTo<Entry extends Listed>(list: Entry[], entry: Entry): void {
  entry.at = list.length
  list.push(entry)
}

/** Does nothing if the list does not contain `entry`. */
export function removeFrom<Entry extends Listed>(list: Entry[], entry: Entry): void {
  if (list[entry.at] !== entry) return
  const last = list.pop()
  if (last === undefined || last === entry) return
  list[entry.at] = last
  last.at = entry.at
}
