import { type Kind } from '@signalbox/model'
import { type KindTraits, type Operation } from './dialect.ts'
import { kindTraits, OPERATIONS } from './kinds.ts'

const MODEL = '{model}'

/** What clients may ask for at a path, and the model that stands in the path, where one does. */
export interface OperationAt {
  readonly operation: Operation
  readonly model: string | undefined
}

/** The operation of a path as a client writes it, query and all; undefined where there is none. */
export function operationAt(path: string): OperationAt | undefined {
  const [bare = ''] = path.split('?', 1)
  for (const operation of OPERATIONS) {
    if (operation.model === 'none') continue
    if (operation.model === 'body' && operation.path === bare)
      return { operation, model: undefined }
    const model = operation.model === 'path' ? modelIn(bare, operation) : undefined
    if (model) return { operation, model }
  }
  return undefined
}

function modelIn(path: string, operation: Operation): string | undefined {
  const [head = '', tail = ''] = operation.path.split(MODEL)
  if (!path.startsWith(head) || !path.endsWith(tail)) return undefined
  try {
    return decodeURIComponent(path.slice(head.length, path.length - tail.length))
  } catch {
    return undefined
  }
}

/** How a backend of this kind serves an operation: byte for byte, translated, or not at all. */
export function servedBy(kind: Kind, operation: Operation): 'as_it_is' | 'translated' | 'not' {
  if (passes(operation, kindTraits(kind))) return 'as_it_is'
  return operation.chat ? 'translated' : 'not'
}

/** Whether a backend gets what its client wrote. */
export function passes(
  operation: Operation,
  { native, dialect, prefersOwnChat }: KindTraits,
): boolean {
  if (prefersOwnChat && operation.chat) return operation.dialect === dialect.name
  return native.includes(operation.dialect)
}
