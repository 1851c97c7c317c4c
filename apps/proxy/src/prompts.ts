import { type Json } from '@signalbox/dialects'
import { type PolicySpec, type Prompt } from '@signalbox/model'
import { type CompiledTarget } from '@signalbox/routing'
import { type Edit, edited } from './body-splice.ts'
import { type Asked, type Passage } from './passage.ts'
import { scanFor } from './path-model.ts'

/**
 * The request with the system prompts of its policy for this model and this backend. Without any it
 * is the same, and nothing is parsed; with one it is written anew, its numbers as they stood.
 */
export function withPrompts<Sent extends Asked & { readonly target: CompiledTarget }>(
  passage: Passage,
  sent: Sent,
): Sent {
  const { addPrompt } = passage.operation
  const { route, target, body, edits } = sent
  const prompts = addPrompt ? promptsFor(route.policy, passage.model ?? '', target) : NONE
  if (!addPrompt || prompts.length === 0) return sent
  const said = parsed(edits ? edited(body, edits) : body)
  if (!said) return sent
  const written = Buffer.from(JSON.stringify(prompts.reduce(addPrompt, said)))
  const scan = scanFor(passage, written)
  return scan.ok ? { ...sent, scan, body: written, edits: NO_EDITS } : sent
}

const NONE: readonly Prompt[] = []
const NO_EDITS: readonly Edit[] = []

function promptsFor(
  { prompts: { all, models, backends } }: PolicySpec,
  model: string,
  { backend }: CompiledTarget,
): readonly Prompt[] {
  const forModel = Object.hasOwn(models, model) ? models[model] : undefined
  const forBackend = Object.hasOwn(backends, backend.id) ? backends[backend.id] : undefined
  if (!all && !forModel && !forBackend) return NONE
  return [all, forModel, forBackend].filter((one) => one !== undefined)
}

/** What newer engines tell of a number, and how they write it back. */
type WithSource = (name: string, value: unknown, context: { readonly source?: string }) => unknown
const { rawJSON } = JSON as unknown as { rawJSON: (text: string) => unknown }

/** Numbers that a parser would round, or write in another way, stay as they stood. */
const keepingNumbers: WithSource = (_name, value, { source }) =>
  typeof value === 'number' && source !== undefined && String(value) !== source
    ? rawJSON(source)
    : value

function parsed(body: Buffer): Json | undefined {
  try {
    return JSON.parse(body.toString(), keepingNumbers as never) as Json
  } catch {
    return undefined
  }
}
