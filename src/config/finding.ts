import * as z from 'zod'
import type { KeyPath } from './problem.ts'

export type Finding = {
  readonly path: KeyPath
  readonly message: string
  /** What to do about it, where that is not in the message. */
  readonly hint?: string
  /** The places of which one, filled in, would settle it. */
  readonly misses?: readonly KeyPath[]
  /** Settings that it depends on, besides the one that it is about. */
  readonly dependsOn?: readonly KeyPath[]
  /** Whether it is about where a value is used, and not about the value, which an alias may repeat. */
  readonly isAboutUse?: boolean
  /**
   * Whether it is about a setting that has no effect where it stands. It concerns only what stands there
   * itself: a default applies where it can.
   */
  readonly isUnused?: boolean
  /** A warning is worth saying and does not stop the sidecar. */
  readonly severity: 'error' | 'warning'
}

export function error(path: KeyPath, message: string): Finding {
  return { path, message, severity: 'error' }
}

export function unused(path: KeyPath, message: string): Finding {
  return { path, message, isUnused: true, severity: 'error' }
}

export function warning(path: KeyPath, message: string): Finding {
  return { path, message, severity: 'warning' }
}

/*
 * The rules between keys read an outline of the file that holds only what they need and forgives
 * everything else, so that they speak even when the file is wrong elsewhere: zod runs a check over
 * several keys only once the shape is right. These are the leaves of outlines.
 */
export const optionalText = z.string().optional().catch(undefined)
export const optionalFlag = z.boolean().optional().catch(undefined)

export const present = z.unknown().optional()
