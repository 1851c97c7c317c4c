/** `data:image/png;base64,...` in its two parts. */
export interface DataUrl {
  readonly mediaType: string
  /** Base64. */
  readonly data: string
}

const HEAD = /^data:([\w.+-]+\/[\w.+-]+)(?:;[\w-]+=[\w.-]+)*;base64,/

/** Undefined where the text is no data URL in base64. */
export function parseDataUrl(url: string): DataUrl | undefined {
  // The data can be megabytes: only the head is matched.
  const head = HEAD.exec(url.slice(0, 256))
  if (!head?.[1]) return undefined
  return { mediaType: head[1], data: url.slice(head[0].length) }
}

export function dataUrl({ mediaType, data }: DataUrl): string {
  return `data:${mediaType};base64,${data}`
}

export function isWebUrl(url: string): boolean {
  return /^https?:\/\//.test(url)
}
