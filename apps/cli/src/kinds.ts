import { usage } from './failure.ts'

/** The kinds of resource, by the word for one of them; the collection's name is in URLs. */
export const KINDS = {
  backend: 'backends',
  route: 'routes',
  policy: 'policies',
  set: 'sets',
  key: 'keys',
  principal: 'principals',
  settings: 'settings',
  secret: 'secrets',
} as const
export type Kind = keyof typeof KINDS

export const KIND_NAMES = Object.keys(KINDS) as readonly Kind[]

export function parseKind(text: string): Kind {
  const kind = KIND_NAMES.find((one) => one === text || KINDS[one] === text)
  if (kind) return kind
  throw usage(`there is no kind ${JSON.stringify(text)}`, `One of ${KIND_NAMES.join(', ')}.`)
}

export interface Named {
  readonly resource: Kind
  readonly id: string
}

/** `backend/b1`; an id may hold slashes itself. */
export function parseNamed(text: string): Named {
  const end = text.indexOf('/')
  if (end > 0 && end < text.length - 1) {
    return { resource: parseKind(text.slice(0, end)), id: text.slice(end + 1) }
  }
  throw usage(`${JSON.stringify(text)} names no resource`, 'Expected KIND/ID, such as backend/b1.')
}

export function pathOf({ resource, id }: Named): string {
  return `${KINDS[resource]}/${encodeURIComponent(id)}`
}
