/*
 * What a request will use up is known when it is over. Until then it holds an estimate: a token for
 * every four bytes of its body, and as many as it allows its answer, up to a bound. Nothing is
 * parsed: in JSON a name in quotes with a colon behind it is a member, never a part of a text.
 */

const BYTES_PER_TOKEN = 4
/** Of an answer whose length the request does not bound. */
const ANSWER_TOKENS = 256
/** Clients allow far more than they get: more than this is not held for one answer. */
const ANSWER_TOKENS_MAX = 4_096
const DIGITS_MAX = 9
const BOUNDS = [
  '"max_tokens"',
  '"max_completion_tokens"',
  '"max_output_tokens"',
  '"maxOutputTokens"',
]

/** Tokens that a request is taken to need before anybody has counted them. */
export function estimateTokens(body: Buffer): number {
  return Math.ceil(body.length / BYTES_PER_TOKEN) + Math.min(boundOf(body), ANSWER_TOKENS_MAX)
}

function boundOf(body: Buffer): number {
  for (const name of BOUNDS) {
    const at = body.indexOf(name, 0, 'latin1')
    if (at < 0) continue
    const behind = body.toString('latin1', at + name.length, at + name.length + 2 * DIGITS_MAX)
    const digits = /^\s{0,8}:\s{0,8}(\d{1,9})/.exec(behind)?.[1]
    if (digits !== undefined) return Number(digits)
  }
  return ANSWER_TOKENS
}
