// Charts of the last minutes, with their scales.

import { element, replaceText, setAttribute, svg } from './document.js'
import { known } from './sidecar.js'
import { roughly } from './words.js'

/** The coordinates of zero and of the top of the scale. */
const BOTTOM = 29
const TOP = 1

/**
 * A value with a chart of the last ten minutes. The first series is drawn as an area, the others as lines.
 *
 * @param {string} name
 * @param {{ format: (value: number) => string, hideZero?: boolean, max?: number }} options
 */
export function figure(name, { format, hideZero = false, max = Infinity }) {
  const text = element('span', { class: 'value' })
  const chart = svg('svg', {
    class: 'chart',
    role: 'img',
    viewBox: '0 0 60 30',
    preserveAspectRatio: 'none',
  })
  const middle = (TOP + BOTTOM) / 2
  const grid = svg('path', { class: 'grid', d: `M0 ${TOP}H60M0 ${middle}H60` })
  const area = svg('path', { class: 'area' })
  const lines = [svg('path', { class: 'line' }), svg('path', { class: 'line second' })]
  chart.append(grid, area, ...lines)
  // Hidden from screen readers, because the label of the chart contains it.
  const axis = { class: 'axis', 'aria-hidden': 'true' }
  const highest = element('span', axis)
  const begin = element('span', axis)
  const scale = element('div', { class: 'scale' }, highest, element('span', axis, '0'))
  const times = element('div', { class: 'times' }, begin, element('span', axis, 'now'))
  const plot = element('div', { class: 'plot', hidden: '' }, scale, chart, times)
  return {
    text,
    plot,
    /**
     * @param {string} words
     * @param {readonly (readonly (number | null)[])[]} series
     */
    update(words, ...series) {
      replaceText(text, words)
      const values = (series[0] ?? []).filter((value) => value !== null)
      const highestValue = Math.max(0, ...values)
      plot.hidden = values.length === 0 || (hideZero && highestValue === 0)
      if (plot.hidden) return
      const top = Math.min(max, roundedUp(highestValue))
      const span = roughly(known.length * known.intervalSeconds)
      replaceText(highest, format(top))
      replaceText(begin, `−${span}`)
      const range =
        highestValue === 0
          ? 'always zero'
          : `from ${format(Math.min(...values))} to ${format(highestValue)}`
      setAttribute(
        chart,
        'aria-label',
        `${name}, last ten minutes: ${range}; scale from 0 to ${format(top)}`,
      )
      setAttribute(area, 'd', areaPath(series[0] ?? [], top))
      for (const [index, line] of lines.entries()) {
        setAttribute(line, 'd', highestValue === 0 ? '' : linePath(series[index] ?? [], top))
      }
    },
  }
}

/**
 * The next of 1, 2, 5, 10, 20, 50 and so on, so that the scale is readable and changes seldom.
 *
 * @param {number} value
 */
export function roundedUp(value) {
  if (value <= 0) return 1
  const power = 10 ** Math.floor(Math.log10(value))
  const step = [1, 2, 5, 10].find((factor) => factor * power >= value * (1 - 1e-9)) ?? 10
  return step * power
}

/**
 * Coordinates: the newest value is at the right edge, and a sample is one unit wide.
 *
 * @param {readonly (number | null)[]} values
 * @param {number} top
 */
function points(values, top) {
  return values.map((value, index) => ({
    x: 60 - values.length + index,
    y:
      value === null
        ? undefined
        : Math.round((BOTTOM - (value / top) * (BOTTOM - TOP)) * 100) / 100,
  }))
}

/**
 * Steps, because a value covers an interval; with gaps where there is no value.
 *
 * @param {readonly (number | null)[]} values
 * @param {number} top
 */
function linePath(values, top) {
  let isDrawing = false
  return points(values, top)
    .map(({ x, y }) => {
      if (y === undefined) {
        isDrawing = false
        return ''
      }
      const start = isDrawing ? `V${y}` : `M${x} ${y}`
      isDrawing = true
      return `${start}H${x + 1}`
    })
    .join('')
}

/**
 * @param {readonly (number | null)[]} values
 * @param {number} top
 */
function areaPath(values, top) {
  return points(values, top)
    .map(({ x, y }) =>
      y === undefined || y >= BOTTOM ? '' : `M${x} ${BOTTOM}V${y}H${x + 1}V${BOTTOM}Z`,
    )
    .join('')
}
