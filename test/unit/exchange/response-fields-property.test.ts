import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import {
  NO_CONTEXT,
  type ResponseFieldPolicy,
  responseFields,
} from '../../../src/exchange/response-fields.ts'
import { fieldNames } from '../../../src/http/field-lines.ts'
import { endsHere, type Field, fields, flat, isNamed, pairs } from '../../helpers/field-lines.ts'

const HIDDEN = 'x-access-token'

const POLICY: ResponseFieldPolicy = {
  hidden: fieldNames([HIDDEN]),
  via: undefined,
  references: undefined,
  cookies: undefined,
}

/** The fields that the application receives for a response with these fields. */
function passed(received: readonly Field[]): Field[] {
  return pairs(responseFields(flat(received), POLICY, { ...NO_CONTEXT, mayHaveLength: true }))
}

const RUNS = { numRuns: 2000 }

test('connection-specific response fields are dropped, and all others keep their order, case and number', () => {
  fc.assert(
    fc.property(fields, (received) => {
      expect(passed(received)).toEqual(
        received.filter((field) => !endsHere(field, received) && !isNamed(field, HIDDEN)),
      )
    }),
    RUNS,
  )
})

test('forwarding forwarded response fields again does not change them', () => {
  fc.assert(
    fc.property(fields, (received) => {
      expect(passed(passed(received))).toEqual(passed(received))
    }),
    RUNS,
  )
})

test('forwarding response fields adds no line break', () => {
  fc.assert(
    fc.property(fields, (received) => {
      expect(flat(passed(received)).join('')).not.toMatch(/[\r\n]/)
    }),
    RUNS,
  )
})
