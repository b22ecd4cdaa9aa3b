import * as fc from 'fast-check'

const MUTATIONS = [
  'change an octet',
  'change the type',
  'change the flags',
  'change the stream',
  'change the length',
  'truncate the payload',
  'drop',
  'repeat',
  'swap',
  'insert random octets',
] as const

type Mutation = {
  readonly what: (typeof MUTATIONS)[number]
  readonly frame: number
  readonly place: number
  readonly value: number
}

/** A few changes to a sequence of frames; most frames stay valid. */
export const mutations: fc.Arbitrary<readonly Mutation[]> = fc.array(
  fc.record({
    what: fc.constantFrom(...MUTATIONS),
    frame: fc.nat(30),
    place: fc.nat(200),
    value: fc.nat(255),
  }),
  { maxLength: 4 },
)

const FRAME_HEADER_BYTES = 9

export function mutateFrames(frames: readonly Buffer[], changes: readonly Mutation[]): Buffer[] {
  const mutated = frames.map((frame) => Buffer.from(frame))
  for (const change of changes) {
    if (mutated.length > 0) mutate(mutated, change)
  }
  return mutated
}

function mutate(frames: Buffer[], { what, frame, place, value }: Mutation): void {
  const at = frame % frames.length
  const target = frames[at]
  // Inserted octets may be shorter than a frame header.
  if (target === undefined || target.length < FRAME_HEADER_BYTES) return
  switch (what) {
    case 'change an octet': {
      target[place % target.length] = value
      break
    }
    case 'change the type': {
      // Also types that no RFC defines.
      target[3] = value % 12
      break
    }
    case 'change the flags': {
      target[4] = value
      break
    }
    case 'change the stream': {
      target[8] = value % 16
      break
    }
    case 'change the length': {
      target[2] = value
      break
    }
    case 'truncate the payload': {
      const length = place % Math.max(1, target.length - FRAME_HEADER_BYTES)
      const truncated = Buffer.from(target.subarray(0, FRAME_HEADER_BYTES + length))
      truncated.writeUIntBE(length, 0, 3)
      frames[at] = truncated
      break
    }
    case 'drop': {
      frames.splice(at, 1)
      break
    }
    case 'repeat': {
      frames.splice(place % frames.length, 0, Buffer.from(target))
      break
    }
    case 'swap': {
      const other = place % frames.length
      frames[at] = frames[other] ?? target
      frames[other] = target
      break
    }
    case 'insert random octets': {
      frames.splice(at, 0, Buffer.alloc(1 + (place % 40), value))
      break
    }
  }
}

/** The types of the frames in these octets, as a parser sees them. */
export function frameTypes(bytes: Buffer): number[] {
  const types: number[] = []
  for (let at = 0; at + FRAME_HEADER_BYTES <= bytes.length;) {
    types.push(bytes.readUInt8(at + 3))
    at += FRAME_HEADER_BYTES + bytes.readUIntBE(at, 3)
  }
  return types
}
