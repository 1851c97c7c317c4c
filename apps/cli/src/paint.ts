const CODES = { red: 31, green: 32, yellow: 33, dim: 2, bold: 1 } as const

export type Paint = (colour: keyof typeof CODES, text: string) => string

/** Colours, or none of them. */
export function painter(enabled: boolean): Paint {
  return (colour, text) => (enabled ? `\x1b[${CODES[colour]}m${text}\x1b[0m` : text)
}

// eslint-disable-next-line no-control-regex -- what a terminal would obey
const CONTROL = /[\x00-\x08\x0b-\x1f\x7f-\x9f]/g

/** Text of others, without what a terminal would obey. */
export function plain(text: string): string {
  return text.replace(CONTROL, '?')
}
