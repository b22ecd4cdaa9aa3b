import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { SidecarError } from '../../../src/errors.ts'
import { parseRequestTarget } from '../../../src/routing/request-target.ts'
import {
  createRouteTable,
  type RouteDestination,
  upstreamPath,
} from '../../../src/routing/route-table.ts'

type Reading = (path: string) => string

/** Removes dot segments (RFC 3986 section 5.2.4); the letters are those of its steps. */
const removeDotSegments: Reading = (path) => {
  let input = path
  let output = ''
  while (input !== '') {
    if (/^\.{1,2}\//.test(input)) input = input.replace(/^\.{1,2}\//, '')
    else if (/^\/\.(?:\/|$)/.test(input)) input = input.replace(/^\/\.(?:\/|$)/, '/')
    else if (/^\/\.\.(?:\/|$)/.test(input)) {
      input = input.replace(/^\/\.\.(?:\/|$)/, '/')
      output = output.replace(/\/?[^/]*$/, '')
    } else if (input === '.' || input === '..') input = ''
    else {
      const [segment = ''] = /^\/?[^/]*/.exec(input) ?? []
      output += segment
      input = input.slice(segment.length)
    }
  }
  return output
}

const decodeOnce: Reading = (path) =>
  path.replaceAll(/%([\da-f]{2})/gi, (_escape, hex: string) =>
    String.fromCodePoint(Number.parseInt(hex, 16)),
  )
const mergeSlashes: Reading = (path) => path.replaceAll(/\/+/g, '/')
const stripParameters: Reading = (path) => path.replaceAll(/;[^/]*/g, '')
const turnBackslashes: Reading = (path) => path.replaceAll('\\', '/')
const cutAtNull: Reading = (path) => path.replace(/\0[^]*/, '')

/** Decodes octets like a UTF-8 decoder that accepts overlong sequences. */
const decodeOverlong: Reading = (path) =>
  path.replaceAll(
    /[\xc0-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf7][\x80-\xbf]{3}/g,
    (sequence) => {
      const [lead = 0, ...rest] = Buffer.from(sequence, 'latin1')
      const first = lead & (0x7f >> sequence.length)
      const code = rest.reduce((bits, octet) => (bits << 6) | (octet & 0x3f), first)
      return code < 0x80 ? String.fromCodePoint(code) : sequence
    },
  )

const STEPS = {
  decodeOnce,
  decodeOverlong,
  mergeSlashes,
  stripParameters,
  turnBackslashes,
  cutAtNull,
}

/** Transformations that servers apply to a path, in any order; dot segments are removed last. */
const reader = fc.shuffledSubarray(Object.entries(STEPS)).map((steps) => ({
  name: [...steps.map(([name]) => name), 'removeDotSegments'].join(', '),
  read: (path: string): string =>
    removeDotSegments(steps.reduce((read, [, step]) => step(read), path)),
}))

const TARGET_PARTS = [
  '/ / / // orders orders eu admin a %6Frders orders;v=1 é',
  '. .. /.. /../ /./ ..; ..;a ; \\ ..\\ % %2',
  '%2e %2E%2e %2f %2F %5c %3b %00 %09 %20 %25 %252e %252f %ff',
  '? ?a=/../b # :80 @ http:// https:// api.example *',
  // Overlong, or text in Latin-1, EUC-KR and Shift_JIS.
  '%c0 %c0%ae %c0%af %c0%b1 %c1%9c %c1%afrders %e0%80%ae %f0%80%80%af %c7%d1 %95%5c %83%5b %ae',
].flatMap((line) => line.split(' '))

/** A segment that a server may interpret as `.` or `..`, or that looks like one. */
const dots = fc
  .tuple(
    fc.constantFrom('.', '..', '%2e', '.%2e', '%2E%2e', '%252e%252e', '%c0%ae.', '.%e0%80%ae'),
    fc.constantFrom('', ...'; ;a=1 %3b %3Ba %00 %00a %09 \\ %5c %20'.split(' '), ''),
    fc.constantFrom('', '', ...'%c0%bb %c0%bbx %c0%80 %95%5c'.split(' ')),
  )
  .map((parts) => parts.join(''))
const slash = fc.constantFrom(...'/ / // %2f %2F \\ %5c /;/ %95%5c %c0%af %c1%9c'.split(' '))

const target = fc.oneof(
  fc
    .tuple(
      fc.constantFrom('/orders', '/orders/eu', '/admin', '/a/orders'),
      fc.array(fc.tuple(slash, fc.oneof(dots, fc.constantFrom('admin', 'eu', ''))), {
        minLength: 1,
        maxLength: 3,
      }),
    )
    .map(([start, rest]) => start + rest.flat().join('')),
  fc
    .array(fc.constantFrom(...TARGET_PARTS), { minLength: 1, maxLength: 8 })
    .map((parts) => parts.join('')),
  fc
    .tuple(
      fc.constantFrom('/', '/orders', '/orders/eu', '/admin', 'http://api.example/orders'),
      fc.array(fc.constantFrom(...TARGET_PARTS), { maxLength: 6 }),
    )
    .map(([start, parts]) => start + parts.join('')),
  fc.string({ unit: 'binary' }),
)

const host = fc.constantFrom('api.example', 'API.example:80', 'other.example', '[::1]:8080')

type Route = RouteDestination & { readonly name: string }

function route(name: string, prefix: string, changes: Partial<Route> = {}): Route {
  return {
    name,
    match: { host: undefined, prefix, methods: undefined },
    basePath: `/${name}/v1`,
    keepPath: false,
    ...changes,
  }
}

/** Routes beside and below each other, so that a misinterpreted path can reach another one. */
const ROUTES = [
  route('orders', '/orders'),
  route('europe', '/orders/eu'),
  route('admin', '/admin', { keepPath: true, basePath: '' }),
  route('kept', '/a/orders', { keepPath: true }),
  route('partner', '', {
    match: { host: 'api.example', prefix: '/orders', methods: undefined },
  }),
]

/** The route of a request; undefined if it is rejected. */
function send(sent: string, hostField: string) {
  try {
    const parsed = parseRequestTarget(sent, [hostField], '1.1')
    const matched = createRouteTable(ROUTES).match(parsed, 'GET')
    return { ...parsed, matched, upstream: upstreamPath(matched, parsed.path) }
  } catch (error) {
    if (error instanceof SidecarError) return undefined
    throw error
  }
}

function isInside(path: string, directory: string): boolean {
  return path === directory || path.startsWith(`${directory}/`)
}

const RUNS = { numRuns: 20_000 }

test('a request target is matched or rejected with a SidecarError', () => {
  const codes = new Set<string>()
  fc.assert(
    fc.property(
      target,
      fc.array(fc.oneof(host, fc.string({ unit: 'binary' })), { maxLength: 2 }),
      fc.constantFrom('1.0', '1.1'),
      fc.constantFrom('GET', 'get', 'QUERY', ''),
      (sent, hosts, version, method) => {
        try {
          createRouteTable(ROUTES).match(parseRequestTarget(sent, hosts, version), method)
        } catch (error) {
          if (!(error instanceof SidecarError)) throw error
          codes.add(error.code)
        }
      },
    ),
    RUNS,
  )
  expect([...codes].toSorted()).toEqual(['egress_denied', 'request_invalid', 'route_not_found'])
})

test('an accepted path is below the prefix of its route in every interpretation', () => {
  let accepted = 0
  fc.assert(
    fc.property(target, host, reader, (sent, hostField, { read }) => {
      const way = send(sent, hostField)
      if (way === undefined) return
      accepted += 1
      const { matched, upstream } = way
      const directory = matched.basePath + (matched.keepPath ? matched.match.prefix : '')
      // Percent-encoded letters are equivalent (RFC 3986 section 6.2.2.2), also in a prefix.
      expect(decodeOnce(read(upstream))).toSatisfy((path: string) => isInside(path, directory))
    }),
    RUNS,
  )
  // Guards against a generator whose targets are nearly all rejected.
  expect(accepted).toBeGreaterThan(RUNS.numRuns / 20)
})

test('an accepted target is forwarded unchanged after the base path of the route', () => {
  fc.assert(
    fc.property(target, host, (sent, hostField) => {
      const way = send(sent, hostField)
      if (way === undefined) return
      const { path, query, matched, upstream } = way
      expect(sent.endsWith(path + query)).toBe(true)
      expect(upstream.startsWith(matched.basePath)).toBe(true)
      const rest = upstream.slice(matched.basePath.length)
      expect(path.endsWith(rest)).toBe(true)
      const taken = path.slice(0, path.length - rest.length)
      expect(matched.keepPath ? '' : matched.match.prefix).toBe(decodeOnce(taken))
    }),
    RUNS,
  )
})

test('a target that servers may interpret as one of another route is rejected', () => {
  fc.assert(
    fc.property(target, host, (sent, hostField) => {
      const way = send(sent, hostField)
      if (way === undefined) return
      const readers: Reading[] = [
        decodeOnce,
        (path) => mergeSlashes(decodeOnce(path)),
        (path) => mergeSlashes(turnBackslashes(decodeOnce(path))),
        (path) => mergeSlashes(decodeOverlong(decodeOnce(path))),
      ]
      for (const read of readers) {
        const reread = encodeURI(read(way.path)).replaceAll(/[?#]/g, encodeURIComponent)
        expect(send(reread, way.host)?.matched.name).toBe(way.matched.name)
      }
    }),
    RUNS,
  )
})
