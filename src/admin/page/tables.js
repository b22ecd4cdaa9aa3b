// Filter and order of the tables.

import { byId, element, setAttribute, setText } from './document.js'

/**
 * @template T
 * @typedef {{ name: string, first: 'ascending' | 'descending', value: (item: T) => number | string }} Column
 */

export function filterWords() {
  const input = byId('filter')
  const text = input instanceof HTMLInputElement ? input.value : ''
  return text
    .toLowerCase()
    .split(/\s+/)
    .filter((word) => word !== '')
}

/** @param {readonly string[]} texts */
export function matches(...texts) {
  const all = texts.join(' ').toLowerCase()
  return filterWords().every((word) => all.includes(word))
}

export function showsProblemsOnly() {
  const box = byId('problems-only')
  return box instanceof HTMLInputElement && box.checked
}

/**
 * @param {'rejection' | 'interception' | 'token' | 'failure' | 'route'} kind
 * @param {number} shown
 * @param {number} all
 * @param {string} none
 */
export function showEmpty(kind, shown, all, none) {
  byId(`${kind}-table`).hidden = shown === 0
  byId(`no-${kind}s`).hidden = shown > 0
  setText(
    `no-${kind}s`,
    all === 0
      ? none
      : filterWords().length === 0
        ? 'None has a problem.'
        : 'None matches the filter.',
  )
}

/**
 * The order of a table: problems first, and otherwise as in the configuration, so that rows do not
 * move; or by a column that its header or the list "Sort by" selects.
 *
 * @template T
 * @param {'token' | 'route'} kind
 * @param {(item: T) => number} rank
 * @param {Readonly<Record<string, Column<T>>>} columns
 * @param {() => void} onChange
 * @returns {(items: readonly T[]) => T[]}
 */
export function sortable(kind, rank, columns, onChange) {
  let key = ''
  /** @type {Column<T>['first']} */
  let direction = 'ascending'
  const select = element('select', { id: `${kind}-sort` })
  select.append(element('option', { value: '' }, 'Problems first'))
  for (const [id, { name }] of Object.entries(columns)) {
    select.append(element('option', { value: id }, name))
  }
  byId(`${kind}-sort-place`).append(select)

  /**
   * @param {string} next
   * @param {Column<T>['first']} nextDirection
   */
  const sortBy = (next, nextDirection) => {
    key = next
    direction = nextDirection
    if (select instanceof HTMLSelectElement) select.value = key
    for (const header of headers()) {
      const isSorted = key !== '' && header.dataset['sort'] === key
      setAttribute(header, 'aria-sort', isSorted ? direction : 'none')
    }
    onChange()
  }
  const headers = () =>
    [...byId(`${kind}-table`).querySelectorAll('th[data-sort]')].flatMap((header) =>
      header instanceof HTMLElement ? [header] : [],
    )

  select.addEventListener('change', () => {
    const next = select instanceof HTMLSelectElement ? select.value : ''
    sortBy(next, columns[next]?.first ?? 'ascending')
  })
  for (const header of headers()) {
    const id = header.dataset['sort'] ?? ''
    const button = element('button', { type: 'button' }, ...header.childNodes)
    header.append(button)
    setAttribute(header, 'aria-sort', 'none')
    button.addEventListener('click', () => {
      const first = columns[id]?.first ?? 'ascending'
      if (key !== id) sortBy(id, first)
      else if (direction === first) sortBy(id, first === 'ascending' ? 'descending' : 'ascending')
      else sortBy('', 'ascending')
    })
  }

  return (items) => {
    const column = columns[key]
    if (column === undefined) return items.toSorted((a, b) => rank(b) - rank(a))
    const sign = direction === 'ascending' ? 1 : -1
    return items.toSorted((a, b) => sign * compare(column.value(a), column.value(b)))
  }
}

/**
 * @param {number | string} a
 * @param {number | string} b
 */
function compare(a, b) {
  return typeof a === 'number' && typeof b === 'number'
    ? a - b
    : String(a).localeCompare(String(b), 'en', { numeric: true })
}
