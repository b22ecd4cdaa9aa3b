import * as z from 'zod'
import type { KeyPath } from './problem.ts'

export type Finding = {
  readonly path: KeyPath
  readonly message: string
  /** How to fix it, if the message does not say so. */
  readonly hint?: string
  /** Missing settings, one of which would fix it. */
  readonly misses?: readonly KeyPath[]
  /** Other settings that it depends on. */
  readonly dependsOn?: readonly KeyPath[]
  /** Whether it concerns the use of a value, which an alias may repeat, and not the value itself. */
  readonly isAboutUse?: boolean
  /** Whether it concerns a setting without an effect. It is not reported for a default, which applies where it can. */
  readonly isUnused?: boolean
  /** A warning does not prevent the sidecar from starting. */
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
 * Checks that involve several settings parse an outline of the file: only what they need, and without failing for
 * anything else. So they also run if the file is invalid elsewhere, unlike a zod refinement. These are the leaves
 * of outlines.
 */
export const optionalText = z.string().optional().catch(undefined)
export const optionalFlag = z.boolean().optional().catch(undefined)

export const present = z.unknown().optional()
