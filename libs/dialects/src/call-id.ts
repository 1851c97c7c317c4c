/** OpenAI refuses ids of calls that are longer than 40 characters. */
const ANSWER_ID_CHARACTERS_MAX = 24

/** The id of a call that its model gave none: of its answer, its choice and its place there. */
export function callId(answerId: string, place: readonly [index: number, call: number]): string {
  return ['call', answerId.slice(-ANSWER_ID_CHARACTERS_MAX), ...place].join('_')
}
