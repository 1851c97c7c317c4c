/** Bytes of a prompt or an answer that a guess is made from; the rest is taken for more of it. */
export const SAMPLE_BYTES_MAX = 4_096

/** A piece of JSON, and how often it goes into the whole. */
export interface Sample {
  readonly text: string
  readonly times: number
}

/** Members that hold what is said, in every dialect. */
const SAID = [
  ...['content', 'text', 'prompt', 'input', 'system', 'instructions', 'arguments', 'delta'],
  ...['reasoning_content', 'reasoning', 'thinking', 'partial_json'],
].join('|')
const STRING = new RegExp(`"(?:${SAID})"\\s*:\\s*"((?:[^"\\\\]|\\\\.)*)`, 'g')

/** What is said in the first bytes of a prompt, or the last ones of an answer; cut anywhere. */
export function sampleOf(bytes: Buffer, whole: number): Sample {
  const json = bytes.toString()
  const said = [...json.matchAll(STRING)].map(([, text = '']) => unescaped(text))
  const times = bytes.length === 0 ? 0 : whole / bytes.length
  // A list of plain texts has no such member.
  return { text: said.length > 0 ? said.join('\n') : json, times }
}

function unescaped(text: string): string {
  try {
    return JSON.parse(`"${text}"`) as string
  } catch {
    return text
  }
}
