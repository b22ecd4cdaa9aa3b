// Helpers for elements and text.

/**
 * @param {string} name
 * @param {Readonly<Record<string, string>>} attributes
 * @param {readonly (Node | string)[]} children
 */
export function element(name, attributes = {}, ...children) {
  const made = document.createElement(name)
  for (const [attribute, value] of Object.entries(attributes)) made.setAttribute(attribute, value)
  made.append(...children)
  return made
}

/**
 * @param {string} name
 * @param {Readonly<Record<string, string>>} attributes
 */
export function svg(name, attributes) {
  const made = document.createElementNS('http://www.w3.org/2000/svg', name)
  for (const [attribute, value] of Object.entries(attributes)) made.setAttribute(attribute, value)
  return made
}

/** @param {string} id */
export function byId(id) {
  const found = document.getElementById(id)
  if (found === null) throw new Error(`The page has no element "${id}"`)
  return found
}

/**
 * @param {string} id
 * @param {string} text
 */
export function setText(id, text) {
  replaceText(byId(id), text)
}

/**
 * Does not touch equal text, because a screen reader would read it again.
 *
 * @param {Element} target
 * @param {string} text
 */
export function replaceText(target, text) {
  if (target.textContent !== text) target.replaceChildren(...breakable(text))
}

/** After punctuation that is not part of a number, and between the words of a camel-case name. */
const BREAKS = /(?<=[A-Za-z\d][/.\-_:@,;=&?])(?<!\d\.)(?=[A-Za-z\d])|(?<=[a-z\d])(?=[A-Z][a-z])/
/** Shorter words fit everywhere. */
const LONG_WORD = 12

/**
 * Lets long names and addresses break after punctuation, never in the middle of a word or a number.
 *
 * @param {string} text
 * @returns {(Node | string)[]}
 */
export function breakable(text) {
  return text.split(/( )/).map((word) => {
    const parts = word.split(BREAKS)
    if (parts.length === 1 || word.length <= LONG_WORD) return word
    const pieces = parts.flatMap((part, index) => (index === 0 ? [part] : [element('wbr'), part]))
    return element('span', { class: 'long' }, ...pieces)
  })
}

/**
 * @param {Element} target
 * @param {string} name
 * @param {string} value
 */
export function setAttribute(target, name, value) {
  if (target.getAttribute(name) !== value) target.setAttribute(name, value)
}

/**
 * Keeps one element for each key, so that focus and selection survive an update.
 *
 * @template T
 * @param {string} id
 * @param {(value: T) => { element: HTMLElement, update: (value: T) => void }} make
 * @returns {(entries: readonly (readonly [string, T])[]) => void}
 */
export function keyedList(id, make) {
  /** @type {Map<string, ReturnType<typeof make>>} */
  const items = new Map()
  return (entries) => {
    const parent = byId(id)
    const keys = new Set(entries.map(([key]) => key))
    for (const [key, item] of items) {
      if (keys.has(key)) continue
      item.element.remove()
      items.delete(key)
    }
    for (const [index, [key, value]] of entries.entries()) {
      const item = items.get(key) ?? make(value)
      items.set(key, item)
      item.update(value)
      const occupant = parent.children[index]
      if (occupant !== item.element) parent.insertBefore(item.element, occupant ?? null)
    }
  }
}

/** @param {string} text */
export function textItem(text) {
  return { element: element('li', {}, ...breakable(text)), update() {} }
}

/**
 * A cell with a label, which is shown where the table is too wide and cells are stacked.
 *
 * @param {string} label
 * @param {string} className
 * @param {readonly Node[]} children
 */
export function cell(label, className, ...children) {
  return element('td', { role: 'cell', class: className, 'data-label': label }, ...children)
}

/**
 * The header cell of a row.
 *
 * @param {string} name
 * @param {readonly Node[]} details
 */
export function rowHeader(name, ...details) {
  return element('th', { role: 'rowheader', scope: 'row' }, ...breakable(name), ...details)
}

/**
 * A list of names and values; a pair whose value is undefined is left out.
 *
 * @param {readonly string[]} names
 */
export function pairs(...names) {
  const list = element('dl', { class: 'pairs' })
  const rows = names.map((name) => {
    const value = element('dd')
    const row = element('div', {}, element('dt', {}, name), value)
    list.append(row)
    return { row, value }
  })
  return {
    element: list,
    /** @param {readonly (string | undefined)[]} texts */
    update(...texts) {
      for (const [index, { row, value }] of rows.entries()) {
        const text = texts[index]
        row.hidden = text === undefined
        replaceText(value, text ?? '')
      }
    },
  }
}
