import { type Tokens } from '@signalbox/model'
import { isJson, listIn, parsedJson } from '../fields.ts'
import { readTokens } from './tokens.ts'

/** No chunk that holds the usage alone is longer; a longer event is passed on in parts. */
export const EVENT_BYTES_MAX = 16_384
const [LF, CR] = [10, 13]
const NO_CHOICES = ['"choices":[]', '"choices": []'].map((text) => Buffer.from(text))
const EMPTY = Buffer.alloc(0)

/** Takes out of a stream the chunk with the usage, which its client did not ask for. */
export interface UsageSieve {
  /** What goes on of these bytes; of an event that is not whole yet, nothing. */
  read(chunk: Buffer): Buffer
  /** What is held when the stream ends. */
  end(): Buffer
  readonly tokens: Tokens | undefined
}

/**
 * An event is held until its blank line, since no client can read a part of one; what is held is
 * bounded. Every event but that one chunk goes on byte for byte.
 */
export function usageSieve(): UsageSieve {
  /** Of an event that is not whole; while passing, its last bytes, which are out already. */
  let held: Buffer = EMPTY
  /** The event that bytes now come of was too long to be held, and is passed on. */
  let passing = false
  let tokens: Tokens | undefined
  const sift = (bytes: Buffer): Buffer => {
    const kept: Buffer[] = []
    let from = 0
    for (let end = eventEnd(bytes, from); end > 0; end = eventEnd(bytes, from)) {
      const event = bytes.subarray(from, end)
      const found = passing ? undefined : usageAlone(event)
      if (found) tokens = found
      else kept.push(event)
      passing = false
      from = end
    }
    const rest = bytes.subarray(from)
    if (passing || rest.length > EVENT_BYTES_MAX) {
      kept.push(rest)
      held = rest.subarray(-BOUNDARY_BYTES_MAX)
      passing = true
    } else held = rest
    return kept.length === 1 && kept[0] ? kept[0] : Buffer.concat(kept)
  }
  return {
    read: (chunk) => {
      if (passing) {
        // What was passed on already is looked at once more, for a blank line that was cut.
        const seen = held.length
        const all = seen > 0 ? Buffer.concat([held, chunk]) : chunk
        return sift(all).subarray(seen)
      }
      if (held.length === 0 && endsEvent(chunk) && !NO_CHOICES.some((one) => chunk.includes(one))) {
        return chunk
      }
      return sift(held.length > 0 ? Buffer.concat([held, chunk]) : chunk)
    },
    end: () => {
      const rest = passing ? EMPTY : held
      held = EMPTY
      return rest
    },
    get tokens() {
      return tokens
    },
  }
}

/** Of a blank line and the line break before it: CR LF CR LF. */
const BOUNDARY_BYTES_MAX = 3

function endsEvent(chunk: Buffer): boolean {
  const { length } = chunk
  return chunk[length - 1] === LF && chunk[length - 2] === LF
}

/** Behind the first blank line; 0 where there is none. */
function eventEnd(bytes: Buffer, from: number): number {
  for (let at = bytes.indexOf(LF, from); at >= 0; at = bytes.indexOf(LF, at + 1)) {
    if (bytes[at + 1] === LF) return at + 2
    if (bytes[at + 1] === CR && bytes[at + 2] === LF) return at + 3
  }
  return 0
}

/** The tokens of an event that holds nothing but them. */
function usageAlone(event: Buffer): Tokens | undefined {
  if (event.length > EVENT_BYTES_MAX || !NO_CHOICES.some((one) => event.includes(one))) {
    return undefined
  }
  const text = event.toString().trim()
  const body = text.startsWith('data:') ? parsedJson(text.slice('data:'.length)) : undefined
  if (!body || !isJson(body['usage']) || listIn(body, 'choices').length > 0) return undefined
  return readTokens({ head: EMPTY, tail: event, events: true })
}
